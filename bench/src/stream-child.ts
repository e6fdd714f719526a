import { truncate } from 'node:fs/promises';
import path from 'node:path';
import { openBlobStore } from '@rahat/blob-store-registry';
import { createRepository } from '@rahat/repository';
import { benchFacts } from './bench-facts.js';
import { highWaterMb } from './peak-memory.js';
import { copyText } from './repository/copy-text.js';

type BlobStore = Awaited<ReturnType<typeof openBlobStore>>;

// node stream-child.js <folder> <bytes>: one backup of one stream of so many bytes; tells its memory at each power of ten.
const [folder, bytesText] = process.argv.slice(2) as [string, string];
const wantedBytes = Number(bytesText);
const MIB = 1024 * 1024;
const FIRST_MARK_BYTES = 1e9;
const BLOCK_BYTES = 64 * MIB;
/** Each so many bytes differ from all others, so that every chunk is new; what lies between compresses as rows do. */
const STAMP_EVERY_BYTES = 4096;

const store = hollow(await openBlobStore({ driver: 'local', path: folder }, ''));
const repository = await createRepository(store, { passphrase: 'of the bench', kdf: { memoryKib: 8, passes: 1, parallelism: 1 } });
const begun = performance.now();
await using session = await repository.beginWriting({ writer: 'bench', speed: 'fast' });
const object = await session.writeObject({ key: 'stream', kind: 'file', order: 0, class: 'rows' }, stream());
await session.commit('backup_stream', benchFacts(), [object]);
tell(object.sizeBytes, { chunks: 'count' in object.recipe ? object.recipe.count : object.recipe.chunks.length });

/** Lends the same two buffers in turn, as the connectors lend theirs. */
async function* stream(): AsyncGenerator<Buffer> {
  const block = Buffer.concat([...copyText(BLOCK_BYTES, 7, 1)]);
  const buffers = [Buffer.allocUnsafeSlow(MIB), Buffer.allocUnsafeSlow(MIB)];
  let stamp = 0;
  let mark = FIRST_MARK_BYTES;
  for (let sent = 0, turn = 0; sent < wantedBytes; turn++) {
    const buffer = buffers[turn % 2]!.subarray(0, Math.min(MIB, wantedBytes - sent));
    const from = (turn * MIB) % (block.length - MIB);
    block.copy(buffer, 0, from, from + buffer.length);
    for (let at = 0; at + 8 <= buffer.length; at += STAMP_EVERY_BYTES) buffer.writeUIntBE(++stamp, at, 6);
    yield buffer;
    sent += buffer.length;
    if (sent < mark || sent === wantedBytes) continue;
    tell(sent);
    mark *= 10;
  }
}

/** A storage that keeps of packs only how long they are: a terabyte of them would have to lie somewhere. */
function hollow(place: BlobStore): BlobStore {
  return new Proxy(place, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (property !== 'put') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      return async (...[name, body, options]: Parameters<BlobStore['put']>): Promise<void> => {
        const isPack = name.startsWith('packs/');
        await target.put(name, isPack ? body.subarray(0, 1) : body, options);
        if (isPack) await truncate(path.join(folder, name), body.length);
      };
    },
  });
}

function tell(bytes: number, more: object = {}): void {
  const { addedBytes } = session.progress();
  const facts = { bytes, addedBytes, seconds: (performance.now() - begun) / 1000, peakMb: highWaterMb('self'), ...more };
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}
