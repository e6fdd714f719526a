import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalStore } from '@rahat/blob-store-local';
import type { BlobStore } from '@rahat/blob-store-port';
import { SYSTEM_CLOCK, LEASE_TTL_MS, type RepositoryContext } from '../context.js';
import { newConfig } from '../descriptor/config.js';
import { deriveKeys } from '../keys/derivation.js';
import type { Repository } from '../repository.js';
import { PROTOCOL } from '../protocol.js';
import { MemoryStore } from './memory-store.js';

/** The places that a repository is tested in. `place` gives an empty one and takes it away at the end. */
export const PLACES: Record<string, () => Promise<{ store: BlobStore; [Symbol.asyncDispose](): Promise<void> }>> = {
  'a local folder': async () => {
    const path = await mkdtemp(join(tmpdir(), 'rahat-damage-'));
    return { store: new LocalStore({ driver: 'local', path }), [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
  },
  memory: () => Promise.resolve({ store: new MemoryStore(), [Symbol.asyncDispose]: () => Promise.resolve() }),
};

export type StoredFiles = ReadonlyMap<string, Buffer>;

export async function storedFiles(store: BlobStore): Promise<StoredFiles> {
  const files = new Map<string, Buffer>();
  for await (const { name } of store.list('')) files.set(name, await store.get(name));
  return files;
}

export async function putFiles(store: BlobStore, files: StoredFiles): Promise<void> {
  for (const [name, bytes] of files) await store.put(name, bytes);
}

export async function flip(store: BlobStore, name: string, offset: number): Promise<void> {
  const bytes = await store.get(name);
  bytes[offset]! ^= 1 << (offset % 8);
  await store.put(name, bytes);
}

/** What the engine's inner parts work with, for tests that make files which only a faulty or malicious writer would. */
export function contextOf(repository: Repository, store: BlobStore, descriptor = ''): RepositoryContext {
  const keys = deriveKeys(repository.exportSecrets());
  const repositoryId = Buffer.from(repository.id, 'hex');
  return {
    store,
    repositoryId,
    keys,
    config: newConfig(descriptor, keys.packPublic),
    clock: SYSTEM_CLOCK,
    leaseTtlMs: LEASE_TTL_MS,
    protocol: PROTOCOL,
  };
}
