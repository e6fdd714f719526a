import { once } from 'node:events';
import { openBlobStore } from '@rahat/blob-store-registry';
import { newId, type PostgresqlConnection } from '@rahat/contracts';
import { executeRun } from '@rahat/execution';
import { createRepository, grantCredential, openRepository } from '@rahat/repository';
import { BENCH_STREAM } from '../bench-run.js';
import { highWaterMb } from '../peak-memory.js';

export interface WalTask {
  connection: PostgresqlConnection;
  repository: string;
  scratch: string;
  commitSeconds: number;
  /** Of the repository that is there; absent, a new one is made. */
  passphrase?: string;
}

export type WalTold =
  { committed: string; bytes: number } | { commits: number; bytes: number; addedBytes: number; peakMb: number } | { error: string };

// Follows until it hears a second message; tells each commit, and at the end what it took.
const [task] = (await once(process, 'message')) as [WalTask];
const stopping = new AbortController();
process.once('message', () => stopping.abort());
const storage = { driver: 'local' as const, path: task.repository };
const store = await openBlobStore(storage, '');
const repository =
  task.passphrase === undefined
    ? await createRepository(store, {
        passphrase: 'of the bench',
        // A worker is given the key itself; what a passphrase costs would be measured instead of the follower.
        kdf: { memoryKib: 8, passes: 1, parallelism: 1 },
      })
    : await openRepository(store, { type: 'passphrase', passphrase: task.passphrase });
const credential = grantCredential('write-only', repository.id, repository.exportSecrets());
let bytes = 0;
const tell = (told: WalTold): Promise<void> => new Promise((sent) => process.send!(told, undefined, undefined, () => sent()));
try {
  const evidence = await executeRun(
    {
      version: 1,
      type: 'follow',
      run: newId('run'),
      attempt: 1,
      organization: 'organization_bench',
      engine: 'postgresql',
      server: { id: 'server_bench', name: 'bench' },
      noProgressSeconds: 900,
      sealedSecrets: '',
      repository: repository.id,
      stream: BENCH_STREAM,
      slot: 'rhb_bench',
      commitSeconds: task.commitSeconds,
      heartbeatSeconds: 60,
    },
    { source: task.connection, repositories: [{ repositoryId: repository.id, storage, prefix: '', credential }] },
    {
      signal: stopping.signal,
      onProgress: (progress) => void (bytes = progress.bytes),
      onLog: (_level, message) => process.stderr.write(`${message}\n`),
      onLogCommitted: ({ range }) => void tell({ committed: range.end, bytes }),
      toolFolders: [],
      scratchFolder: task.scratch,
      workerName: 'bench',
    },
  );
  if (evidence.type !== 'follow') throw new Error(`It was no follower that ended: ${evidence.type}`);
  await tell({ commits: evidence.commits, bytes: evidence.bytes, addedBytes: evidence.addedBytes, peakMb: highWaterMb('self') });
} catch (error) {
  await tell({ error: String(error) });
}
process.disconnect();
