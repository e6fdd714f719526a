import { readdir, utimes } from 'node:fs/promises';
import path from 'node:path';
import { openBlobStore } from '@rahat/blob-store-registry';
import { RahatError } from '@rahat/contracts';
import { createRepository, openRepository } from '@rahat/repository';
import { fillForCollection } from '@rahat/repository/measuring';

// node collection-child.js make <folder> <chunks> <snapshots> | age <folder> | collect <folder>
const [command, folder, ...args] = process.argv.slice(2) as [string, string, ...string[]];
/** Protects random numbers alone. */
const PASSPHRASE = 'of the bench';
/** So that the memory of the derivation doesn't hide that of the collection. */
const CHEAP_KDF = { memoryKib: 8, passes: 1, parallelism: 1 };
const MONTH_MS = 30 * 24 * 60 * 60 * 1000;

switch (command) {
  case 'make': {
    const [chunks, snapshots] = args.map(Number) as [number, number];
    const store = await openBlobStore({ driver: 'local', path: folder }, '');
    const repository = await createRepository(store, { passphrase: PASSPHRASE, kdf: CHEAP_KDF });
    print({ deadPacks: await fillForCollection(repository, store, folder, { chunks, snapshots }) });
    break;
  }
  case 'age':
    await makeOlder();
    break;
  case 'collect': {
    const store = await openBlobStore({ driver: 'local', path: folder }, '');
    const repository = await openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE });
    const begun = performance.now();
    const report = await repository.collect();
    print({ ms: performance.now() - begun, report });
    break;
  }
  default:
    throw new RahatError('invalid_input', `There is no command ${command}.`);
}

/** As if all of it had been put a month ago: a collection spares what is younger than its grace. */
async function makeOlder(): Promise<void> {
  const then = new Date(Date.now() - MONTH_MS);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await utimes(path.join(entry.parentPath, entry.name), then, then);
}

function print(facts: object): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}
