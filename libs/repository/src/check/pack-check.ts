import { createHash, createHmac } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { openFrame } from '../frames/frame-codec.js';
import type { KnownPack, RepositoryIndex } from '../index/repository-index.js';
import { packName } from '../layout.js';
import { PACK_HEADER_BYTES } from '../packs/pack-layout.js';
import { openPackDirectory, openPackKey, readPackDirectory, type PackDirectory } from '../packs/pack-reader.js';
import { chunkIdAt, type PackTable } from '../packs/pack-table.js';
import type { CheckOptions } from '../repository.js';

/** What is wrong with one pack of the index, if anything. Each level does all that the ones before it do. */
export async function checkPack(
  context: RepositoryContext,
  index: RepositoryIndex,
  number: number,
  storedBytes: number | undefined,
  { level, signal }: CheckOptions,
): Promise<string | undefined> {
  const pack = index.packs[number]!;
  if (storedBytes === undefined) return 'The pack is missing.';
  if (storedBytes !== pack.sizeBytes) return `The pack has ${storedBytes} bytes where the index says ${pack.sizeBytes}.`;
  try {
    if (level === 'structure') {
      compareWithIndex(index, number, await readPackDirectory(context, pack.hash, storedBytes, signal));
      return undefined;
    }
    const file = await context.store.get(packName(pack.hash), undefined, { signal });
    const hash = createHash('sha256').update(file).digest('hex');
    if (hash !== pack.hash) return 'The content of the pack does not match its name (SHA-256).';
    const directory = openPackDirectory(context, pack.hash, file);
    compareWithIndex(index, number, directory);
    if (level === 'deep') await checkFrames(context, pack, directory, file);
    return undefined;
  } catch (error) {
    const { code, message } = RahatError.from(error);
    if (!code.startsWith('repository_') && code !== 'blob_not_found') throw error;
    return message;
  }
}

function compareWithIndex(index: RepositoryIndex, number: number, { kind, table }: PackDirectory): void {
  const pack = index.packs[number]!;
  const sameFrames =
    kind === pack.kind &&
    equal(table.frameOffsets, pack.frameOffsets) &&
    equal(table.storedLengths, pack.storedLengths) &&
    equal(table.plainLengths, pack.plainLengths);
  if (!sameFrames) throw new RahatError('repository_damaged', `The footer of pack ${pack.hash} differs from the index.`);
  for (let chunk = 0; chunk < table.chunkFrames.length; chunk++) {
    const home = index.chunks.get(chunkIdAt(table, chunk));
    // A chunk that also lies in another pack has its home there.
    if (home && (home.pack !== number || isHome(table, chunk, home))) continue;
    throw new RahatError('repository_damaged', `The footer of pack ${pack.hash} names a chunk that the index does not know there.`);
  }
}

function isHome(table: PackTable, chunk: number, home: { frame: number; offset: number; length: number }): boolean {
  return table.chunkFrames[chunk] === home.frame && table.chunkOffsets[chunk] === home.offset && table.chunkLengths[chunk] === home.length;
}

async function checkFrames(context: RepositoryContext, pack: KnownPack, { kind, table }: PackDirectory, file: Buffer): Promise<void> {
  const key = await openPackKey(context, pack.hash, file.subarray(0, PACK_HEADER_BYTES));
  const idKey = kind === 'data' ? context.keys.chunkId : context.keys.recipeChunkId;
  let chunk = 0;
  for (let frameNumber = 0; frameNumber < table.frameOffsets.length; frameNumber++) {
    const start = table.frameOffsets[frameNumber]!;
    const plaintext = await openFrame(key, file.subarray(start, start + table.storedLengths[frameNumber]!), {
      repositoryId: context.repositoryId,
      pack: pack.hash,
      frameNumber,
      plainLength: table.plainLengths[frameNumber]!,
    });
    // Chunks stand in the order of their frames.
    for (; table.chunkFrames[chunk] === frameNumber; chunk++) {
      const start = table.chunkOffsets[chunk]!;
      const bytes = plaintext.subarray(start, start + table.chunkLengths[chunk]!);
      if (createHmac('sha256', idKey).update(bytes).digest().equals(chunkIdAt(table, chunk))) continue;
      throw new RahatError(
        'repository_damaged',
        `A chunk in frame ${frameNumber} of pack ${pack.hash} holds other bytes than its id says.`,
      );
    }
  }
  if (chunk !== table.chunkFrames.length) throw new RahatError('repository_damaged', `Pack ${pack.hash} lists chunks out of order.`);
}

function equal(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
