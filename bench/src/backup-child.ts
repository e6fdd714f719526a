import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { openBlobStore } from '@rahat/blob-store-registry';
import { RahatError, newId, type RepositoryAccess, type RunSecrets } from '@rahat/contracts';
import { executeRun } from '@rahat/execution';
import { createRepository, parseWriteOnlyCredential } from '@rahat/repository';
import type { BackupTask } from './backup-in-child.js';
import { highWaterMb } from './peak-memory.js';

process.once('message', (task: BackupTask) => {
  backUp(task)
    .then((addedBytes) => process.send!({ addedBytes, peakMb: highWaterMb('self') }))
    .catch((error: unknown) => process.send!({ addedBytes: 0, peakMb: 0, error: RahatError.from(error).message }))
    .finally(() => process.disconnect());
});

async function backUp(task: BackupTask): Promise<number> {
  const secrets: RunSecrets = { source: task.connection, repositories: [await repositoryAccess(task)] };
  const scratchFolder = await mkdtemp(path.join(os.tmpdir(), 'rahat-bench-scratch-'));
  try {
    const evidence = await executeRun(
      {
        version: 1,
        type: 'backup',
        run: newId('run'),
        attempt: 1,
        organization: newId('organization'),
        engine: 'postgresql',
        method: 'postgresql.logical',
        server: { id: newId('server'), name: 'bench' },
        database: { name: task.database },
        snapshot: `snapshot_${randomBytes(16).toString('hex')}`,
        repository: 'bench',
        deadline: new Date(Date.now() + 3_600_000).toISOString(),
        noProgressSeconds: 600,
        sealedSecrets: '',
        deep: false,
      },
      secrets,
      {
        signal: AbortSignal.timeout(3_600_000),
        onProgress: () => undefined,
        onLog: () => undefined,
        toolFolders: [],
        scratchFolder,
        workerName: 'bench',
      },
    );
    if (evidence.type !== 'backup') throw new RahatError('internal', 'A backup gave other evidence.');
    return evidence.addedBytes;
  } finally {
    await rm(scratchFolder, { recursive: true, force: true });
  }
}

/** The credential of the bench's throwaway repository stands beside it; it writes only, as workers' do. */
async function repositoryAccess({ repository: folder, create }: BackupTask): Promise<RepositoryAccess> {
  const storage = { driver: 'local' as const, path: folder };
  const keyFile = `${folder}.keys.json`;
  if (create) {
    const repository = await createRepository(await openBlobStore(storage, ''), { passphrase: randomBytes(16).toString('hex') });
    await writeFile(keyFile, JSON.stringify(repository.exportWriteOnlyCredential()), { mode: 0o600 });
  }
  const writeOnly = parseWriteOnlyCredential(await readFile(keyFile, 'utf8'));
  return { repositoryId: 'bench', storage, prefix: '', credential: { power: 'write-only', writeOnly } };
}
