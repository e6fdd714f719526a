import { closeSync, openSync, readSync, writev } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { openBlobStore } from '@rahat/blob-store-registry';
import { RahatError } from '@rahat/contracts';
import { createRepository, openRepository, type Repository, type StoredObject } from '@rahat/repository';
import { benchFacts } from '../bench-facts.js';
import { filesBelow } from './sample-data.js';

// node repository-child.js <repository> <passphrase file> create | backup-stream | restore-stream | backup-folder <folder> | restore-folder <folder>
// The passphrase opens it each time, so that key derivation is paid as the peers pay theirs.
const READ_BYTES = 256 * 1024;
const FILES_AT_ONCE = 4;
const STANDARD_OUTPUT = 1;
const write = promisify(writev);

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
    await backUp(await opened(), await pagesBelow(argument!));
    break;
  case 'restore-stream':
    await restoreStream(await opened());
    break;
  case 'restore-folder':
    await restoreFolder(await opened(), argument!);
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
  await session.commit(`backup_${Date.now()}`, benchFacts(), objects);
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
  await session.readObjectInto(objects[0]!, { writev: (pieces) => write(STANDARD_OUTPUT, pieces) });
}

async function pagesBelow(root: string): Promise<Source[]> {
  return (await filesBelow(root)).map((key) => ({ key, class: 'pages', file: path.join(root, key) }));
}

/** As the connector writes a data directory, but for the syncs, which the peers don't do either. */
async function restoreFolder(repository: Repository, folder: string): Promise<void> {
  const { objects } = await repository.findSnapshot('latest');
  await using session = await repository.beginReading();
  const waiting = objects.values();
  const restorer = async (): Promise<void> => {
    for (const object of waiting) {
      const place = path.join(folder, object.key);
      await mkdir(path.dirname(place), { recursive: true });
      await using file = await open(place, 'wx');
      await session.readObjectInto(object, file);
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, restorer));
}
