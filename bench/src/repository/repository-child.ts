import { closeSync, createWriteStream, openSync, readSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openBlobStore } from '@rahat/blob-store-registry';
import { RahatError } from '@rahat/contracts';
import { createRepository, openRepository, type Repository, type SnapshotFacts, type StoredObject } from '@rahat/repository';

// node repository-child.js <repository> <passphrase file> create | backup-stream | restore-stream | backup-folder <folder>
// The passphrase opens it each time, so that key derivation is paid as the peers pay theirs.
const READ_BYTES = 256 * 1024;

const [folder, passphraseFile, command, argument] = process.argv.slice(2) as [string, string, string, string?];
const store = await openBlobStore({ driver: 'local', path: folder }, '');
const passphrase = (await readFile(passphraseFile, 'utf8')).trim();

switch (command) {
  case 'create':
    await createRepository(store, { passphrase });
    break;
  case 'backup-stream':
    await backUp(await opened(), [{ key: 'dump.sql', class: 'rows', file: '/dev/stdin' }]);
    break;
  case 'backup-folder':
    await backUp(await opened(), await filesBelow(argument!));
    break;
  case 'restore-stream':
    await restoreStream(await opened());
    break;
  default:
    throw new RahatError('invalid_input', `There is no command ${command}.`);
}

function opened(): Promise<Repository> {
  return openRepository(store, { type: 'passphrase', passphrase });
}

interface Source {
  key: string;
  class: 'rows' | 'pages';
  file: string;
}

async function backUp(repository: Repository, sources: Source[]): Promise<void> {
  await using session = await repository.beginWriting({ writer: 'bench' });
  const objects: StoredObject[] = [];
  for (const source of sources) {
    const description = { key: source.key, kind: 'file' as const, order: objects.length, class: source.class };
    objects.push(await session.writeObject(description, lentBytes(source.file)));
  }
  await session.commit(`backup_${Date.now()}`, facts(), objects);
}

/** Lends the same buffer again and again, as the connectors lend theirs. What is read lies in memory: a thread's help would cost more. */
async function* lentBytes(file: string): AsyncGenerator<Buffer> {
  const opened = openSync(file, 'r');
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  try {
    for (let length; (length = readSync(opened, buffer, 0, READ_BYTES, null)) > 0;) yield buffer.subarray(0, length);
  } finally {
    closeSync(opened);
  }
}

async function restoreStream(repository: Repository): Promise<void> {
  const { objects } = await repository.findSnapshot('latest');
  await using session = await repository.beginReading();
  await pipeline(session.readObject(objects[0]!), createWriteStream('', { fd: 1, autoClose: false, highWaterMark: 1024 * 1024 }));
}

async function filesBelow(root: string): Promise<Source[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
    .map((file) => ({ key: path.relative(root, file), class: 'pages', file }));
}

function facts(): SnapshotFacts {
  return {
    run: 'run_bench',
    attempt: 1,
    organization: 'organization_bench',
    server: { id: 'server_bench', identity: 'bench', name: 'bench', version: '15' },
    database: { name: 'sample' },
    engine: 'postgresql',
    method: 'postgresql.logical',
    label: 'full',
    consistency: 'snapshot',
    positions: {},
    consistentAt: new Date().toISOString(),
    findings: [],
    tool: 'bench',
    evidence: {},
  };
}
