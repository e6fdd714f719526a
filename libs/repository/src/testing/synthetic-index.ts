import { randomBytes, randomFillSync } from 'node:crypto';
import type { BlobStore } from '@rahat/blob-store-port';
import { SYSTEM_CLOCK, type RepositoryContext } from '../context.js';
import { newConfig } from '../descriptor/config.js';
import type { IndexedPack } from '../index/index-segment.js';
import { sealIndexSegment } from '../index/segment-files.js';
import { deriveKeys, type RepositorySecrets } from '../keys/derivation.js';
import { indexName } from '../layout.js';
import { PROTOCOL } from '../protocol.js';

const FRAME_CHUNKS = 12;
const CHUNK_BYTES = 65_536;
const FRAME_STORED_BYTES = 300_000;

/** A repository that consists of index segments alone. */
export function contextOn(store: BlobStore, over: Partial<RepositoryContext> = {}): RepositoryContext {
  const keys = deriveKeys(newSecrets());
  const config = newConfig('{}', keys.packPublic);
  return { store, repositoryId: randomBytes(16), keys, config, clock: SYSTEM_CLOCK, leaseTtlMs: 60_000, protocol: PROTOCOL, ...over };
}

function newSecrets(): RepositorySecrets {
  return { masterKey: randomBytes(32), identitySecret: randomBytes(32) };
}

/** A pack that is nowhere, with chunks of random ids in frames of the usual size. */
export function randomPack(chunks: number): IndexedPack {
  const frames = Math.ceil(chunks / FRAME_CHUNKS);
  const perFrame = (value: (frame: number) => number): Uint32Array => Uint32Array.from({ length: frames }, (_, frame) => value(frame));
  const perChunk = (value: (chunk: number) => number): Uint32Array => Uint32Array.from({ length: chunks }, (_, chunk) => value(chunk));
  return {
    hash: randomBytes(32).toString('hex'),
    sizeBytes: 200 + frames * FRAME_STORED_BYTES,
    kind: 'data',
    table: {
      frameOffsets: perFrame((frame) => 105 + frame * FRAME_STORED_BYTES),
      storedLengths: perFrame(() => FRAME_STORED_BYTES),
      plainLengths: perFrame(() => FRAME_CHUNKS * CHUNK_BYTES),
      chunkIds: randomFillSync(Buffer.alloc(chunks * 32)),
      chunkFrames: perChunk((chunk) => Math.floor(chunk / FRAME_CHUNKS)),
      chunkOffsets: perChunk((chunk) => (chunk % FRAME_CHUNKS) * CHUNK_BYTES),
      chunkLengths: perChunk(() => CHUNK_BYTES),
    },
  };
}

export async function putSegment(context: RepositoryContext, packs: IndexedPack[], replaces: string[] = []): Promise<string> {
  const id = randomBytes(16).toString('hex');
  const name = indexName(id);
  await context.store.put(name, sealIndexSegment(context, name, { writer: 'writer-1', replaces, packs }));
  return id;
}
