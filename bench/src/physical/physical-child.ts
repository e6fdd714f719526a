import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openBlobStore } from '@rahat/blob-store-registry';
import {
  RahatError,
  type Evidence,
  type PostgresqlConnection,
  type RepositoryPower,
  type RunSecrets,
  type RunSpec,
} from '@rahat/contracts';
import { executeRun } from '@rahat/execution';
import { createRepository, grantCredential, openRepository } from '@rahat/repository';
import { runHead, withRunOptions } from '../bench-run.js';

// node physical-child.js <home> create | backup | incremental | restore <folder> | recover <folder> <stream> <position>
// The passphrase opens the repository each time: a worker is given the keys, the peers derive theirs.
const [home, command, ...args] = process.argv.slice(2) as [string, string, ...string[]];
const storage = { driver: 'local' as const, path: path.join(home, 'repository') };
const passphrase = (await readFile(path.join(home, 'passphrase'), 'utf8')).trim();
const latest = 'latest';

switch (command) {
  case 'create':
    await createRepository(await openBlobStore(storage, ''), { passphrase });
    break;
  case 'backup':
    await backUp('full');
    break;
  case 'incremental':
    await backUp('incremental');
    break;
  case 'restore':
    await restore(args[0]!);
    break;
  case 'recover':
    await restore(args[0]!, { stream: args[1]!, target: { kind: 'lsn', lsn: args[2]!, inclusive: true } });
    break;
  default:
    throw new RahatError('invalid_input', `There is no command ${command}.`);
}

async function backUp(backupType: 'full' | 'incremental'): Promise<void> {
  const source = JSON.parse(await readFile(path.join(home, 'source.json'), 'utf8')) as PostgresqlConnection;
  const snapshot = randomBytes(16).toString('hex');
  const evidence = await run(
    {
      ...runHead(),
      type: 'backup',
      method: 'postgresql.physical',
      backupType,
      snapshot,
      deep: false,
      ...(backupType === 'full' ? {} : { parent: latest }),
    },
    'write-only',
    source,
  );
  if (evidence.type !== 'backup') throw new RahatError('internal', 'A backup gave other evidence.');
  // A full one in its place would measure something else.
  if (backupType === 'incremental' && evidence.label !== 'incremental (native)')
    throw new RahatError('internal', `The server gave no incremental backup: ${JSON.stringify(evidence.findings)}`);
}

async function restore(folder: string, recovery?: Extract<RunSpec, { type: 'restore' }>['recovery']): Promise<void> {
  await run(
    {
      ...runHead(),
      type: 'restore',
      snapshot: latest,
      target: { kind: 'folder', path: folder },
      intoExisting: false,
      noOwner: false,
      noAcl: false,
      recovery,
    },
    'read',
  );
}

async function run(spec: RunSpec, power: RepositoryPower, source?: PostgresqlConnection): Promise<Evidence> {
  const repository = await openRepository(await openBlobStore(storage, ''), { type: 'passphrase', passphrase });
  const credential = grantCredential(power, repository.id, repository.exportSecrets());
  const secrets: RunSecrets = { source, repositories: [{ repositoryId: 'bench', storage, prefix: '', credential }] };
  return withRunOptions((options) => executeRun(spec, secrets, options));
}
