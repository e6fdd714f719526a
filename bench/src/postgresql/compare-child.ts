import { writeFile } from 'node:fs/promises';
import { openBlobStore } from '@rahat/blob-store-registry';
import { RahatError } from '@rahat/contracts';
import { openOfflineRepository } from '@rahat/execution';
import { createRepository } from '@rahat/repository';

// node compare-child.js make <folder> | read <folder> | compare <folder>
const [command, folder] = process.argv.slice(2) as [string, string];
/** Protects made-up rows alone. */
const PASSPHRASE = 'of the bench';
const CHEAP_KDF = { memoryKib: 8, passes: 1, parallelism: 1 };

switch (command) {
  case 'make': {
    const repository = await createRepository(await openBlobStore({ driver: 'local', path: folder }, ''), {
      passphrase: PASSPHRASE,
      kdf: CHEAP_KDF,
    });
    await writeFile(`${folder}.keys.json`, JSON.stringify(repository.exportWriteOnlyCredential()), { mode: 0o600 });
    break;
  }
  case 'read':
    print(await readBoth());
    break;
  case 'compare':
    print(await compareBoth());
    break;
  default:
    throw new RahatError('invalid_input', `There is no command ${command}.`);
}

/** Every byte of both backups, decrypted and compared with its hash: what a comparison without chunk lists begins with. */
async function readBoth(): Promise<object> {
  const { engine } = await openOfflineRepository(folder, { type: 'passphrase', passphrase: PASSPHRASE });
  const begun = performance.now();
  await using reading = await engine.beginReading();
  let readBytes = 0;
  for (const snapshot of await snapshotIds()) {
    const { objects } = await engine.findSnapshot(snapshot);
    for (const object of objects) for await (const piece of reading.readObject(object)) readBytes += piece.length;
  }
  return { ms: performance.now() - begun, readBytes };
}

async function compareBoth(): Promise<object> {
  const repository = await openOfflineRepository(folder, { type: 'passphrase', passphrase: PASSPHRASE });
  const [older, newer] = await snapshotIds();
  let undoBytes = 0;
  const undo = {
    write: (bytes: Buffer) => {
      undoBytes += bytes.length;
      return Promise.resolve();
    },
  };
  const begun = performance.now();
  const { tables, readBytes } = await repository.compare({ older: older!, newer: newer!, undo });
  const counts = tables.map(({ name, inserted, deleted, changed }) => ({ name, inserted, deleted, changed }));
  return { ms: performance.now() - begun, readBytes, undoBytes, tables: counts };
}

async function snapshotIds(): Promise<string[]> {
  const { engine } = await openOfflineRepository(folder, { type: 'passphrase', passphrase: PASSPHRASE });
  return (await Array.fromAsync(engine.snapshots())).map(({ id }) => id);
}

function print(facts: object): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}
