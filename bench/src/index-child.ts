import { openBlobStore } from '@rahat/blob-store-registry';
import { RahatError } from '@rahat/contracts';
import { createRepository, openRepository, type Repository } from '@rahat/repository';
import { fillRepository, measureLookUps } from '@rahat/repository/measuring';

// node index-child.js make <folder> <chunks> <snapshots> [derive] | begin <folder> [<cache folder>] | list <folder> | look-up <chunks>
const [command, ...args] = process.argv.slice(2) as [string, ...string[]];
/** Protects random numbers alone. */
const PASSPHRASE = 'of the bench';
/** So that the memory of the derivation doesn't hide that of the index. */
const CHEAP_KDF = { memoryKib: 8, passes: 1, parallelism: 1 };

switch (command) {
  case 'make': {
    const [folder, chunks, snapshots, derive] = args as [string, string, string, string?];
    const store = await openBlobStore({ driver: 'local', path: folder }, '');
    const repository = await createRepository(store, { passphrase: PASSPHRASE, kdf: derive ? undefined : CHEAP_KDF });
    await fillRepository(repository, store, folder, { chunks: Number(chunks), snapshots: Number(snapshots) });
    break;
  }
  case 'begin':
    await begin(args[0]!, args[1]);
    break;
  case 'list':
    await list(args[0]!);
    break;
  case 'look-up':
    print(measureLookUps(Number(args[0])));
    break;
  default:
    throw new RahatError('invalid_input', `There is no command ${command}.`);
}

/** Until a backup could begin; the time of loading this program isn't counted. */
async function begin(folder: string, cacheFolder: string | undefined): Promise<void> {
  const started = performance.now();
  const repository = await open(folder, cacheFolder);
  const openedMs = performance.now() - started;
  await using session = await repository.beginWriting({ writer: 'bench' });
  print({ openedMs, begunMs: performance.now() - started, readBytes: session.progress().readBytes });
}

async function list(folder: string): Promise<void> {
  const repository = await open(folder, undefined);
  const started = performance.now();
  let snapshots = 0;
  for await (const { ok } of repository.snapshots()) if (ok) snapshots++;
  print({ snapshots, listedMs: performance.now() - started });
}

async function open(folder: string, cacheFolder: string | undefined): Promise<Repository> {
  const store = await openBlobStore({ driver: 'local', path: folder }, '');
  const onNotice = (message: string): never => {
    throw new RahatError('unavailable', message);
  };
  const cache = cacheFolder === undefined ? undefined : { folder: cacheFolder };
  return openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE }, { cache, onNotice });
}

function print(facts: object): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}
