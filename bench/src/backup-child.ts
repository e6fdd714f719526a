import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { openBlobStore } from '@rahat/blob-store-registry';
import { RahatError, type RepositoryAccess, type RunSecrets } from '@rahat/contracts';
import { executeRun } from '@rahat/execution';
import { createRepository, parseWriteOnlyCredential } from '@rahat/repository';
import type { BackupTask } from './backup-in-child.js';
import { runHead, withRunOptions } from './bench-run.js';
import { highWaterMb } from './peak-memory.js';

process.once('message', (task: BackupTask) => {
  backUp(task)
    .then((addedBytes) => process.send!({ addedBytes, peakMb: highWaterMb('self') }))
    .catch((error: unknown) => process.send!({ addedBytes: 0, peakMb: 0, error: RahatError.from(error).message }))
    .finally(() => process.disconnect());
});

async function backUp(task: BackupTask): Promise<number> {
  const secrets: RunSecrets = { source: task.connection, repositories: [await repositoryAccess(task)] };
  const snapshot = `snapshot_${randomBytes(16).toString('hex')}`;
  const database = { name: task.database };
  const spec = { ...runHead(), type: 'backup', method: 'postgresql.logical', database, snapshot, deep: false } as const;
  const evidence = await withRunOptions((options) => executeRun(spec, secrets, options));
  if (evidence.type !== 'backup') throw new RahatError('internal', 'A backup gave other evidence.');
  return evidence.addedBytes;
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
