import { createHash, createHmac } from 'node:crypto';
import { damageIn } from '../check/frame-survey.js';
import type { RepositoryContext } from '../context.js';
import { openFrame } from '../frames/frame-codec.js';
import type { PackKind } from '../keys/pack-keys.js';
import { PACK_HEADER_BYTES } from '../packs/pack-layout.js';
import { openPackDirectory, openPackKey, readPackFile, type PackDirectory } from '../packs/pack-reader.js';
import { chunkIdAt, selectChunks } from '../packs/pack-table.js';

export interface TriedPack {
  sizeBytes: number;
  /** The pack's own table of contents, without the chunks of which it lies; undefined where it doesn't open. */
  directory?: PackDirectory;
  /** Where it lies, or isn't what its name says. */
  lie?: { message: string; falseChunks: number };
}

export interface TrialOptions {
  signal?: AbortSignal;
  /** Hears of each chunk that is what its id says. */
  onTrueChunk?: (kind: PackKind, id: Buffer, bytes: Buffer) => Promise<void>;
}

/**
 * Reads a whole pack with the master key and compares it with its name, and every chunk with its id. A writer that had only a
 * write-only credential can make a pack say anything; what it can't do is make wrong bytes fit an id. undefined = it is gone.
 */
export async function tryPack(context: RepositoryContext, hash: string, options: TrialOptions = {}): Promise<TriedPack | undefined> {
  const file = await readPackFile(context, hash, options.signal);
  if (!file) return undefined;
  const sizeBytes = file.length;
  let opened: OpenPack;
  try {
    const key = await openPackKey(context, hash, file.subarray(0, PACK_HEADER_BYTES));
    opened = { ...openPackDirectory(context, hash, file), hash, file, key };
  } catch (error) {
    return { sizeBytes, lie: { message: damageIn(error).message, falseChunks: 0 } };
  }
  const { kind, table } = opened;
  const { falseChunks, message } = await compareChunks(context, opened, options);
  const nameFits = createHash('sha256').update(file).digest('hex') === hash;
  if (falseChunks.size === 0 && nameFits) return { sizeBytes, directory: { kind, table } };
  const lie = { message: message ?? 'The content of the pack does not match its name (SHA-256).', falseChunks: falseChunks.size };
  return { sizeBytes, directory: { kind, table: selectChunks(table, (chunk) => !falseChunks.has(chunk)) }, lie };
}

interface OpenPack extends PackDirectory {
  hash: string;
  file: Buffer;
  key: Buffer;
}

async function compareChunks(
  context: RepositoryContext,
  { kind, table, hash, file, key }: OpenPack,
  { onTrueChunk }: TrialOptions,
): Promise<{ falseChunks: ReadonlySet<number>; message?: string }> {
  const { repositoryId, keys } = context;
  const idKey = kind === 'data' ? keys.chunkId : keys.recipeChunkId;
  const falseChunks = new Set<number>();
  let message: string | undefined;
  for (const [frameNumber, chunks] of Map.groupBy(table.chunkFrames.keys(), (chunk) => table.chunkFrames[chunk]!)) {
    const start = table.frameOffsets[frameNumber]!;
    const sealed = file.subarray(start, start + table.storedLengths[frameNumber]!);
    const identity = { repositoryId, pack: hash, frameNumber, plainLength: table.plainLengths[frameNumber]! };
    const plaintext = await openFrame(key, sealed, identity).catch((error: unknown) => void (message ??= damageIn(error).message));
    for (const chunk of chunks) {
      const offset = table.chunkOffsets[chunk]!;
      const bytes = plaintext?.subarray(offset, offset + table.chunkLengths[chunk]!);
      const id = chunkIdAt(table, chunk);
      if (bytes && createHmac('sha256', idKey).update(bytes).digest().equals(id)) {
        await onTrueChunk?.(kind, Buffer.from(id), bytes);
        continue;
      }
      falseChunks.add(chunk);
      message ??= `A chunk in frame ${frameNumber} of pack ${hash} holds other bytes than its id says.`;
    }
  }
  return { falseChunks, message };
}
