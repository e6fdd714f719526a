import { createCipheriv, createHash } from 'node:crypto';
import type { BlobStore } from '@rahat/blob-store-port';
import { createRepository, type CreateOptions } from '../create-repository.js';
import type { ObjectDescription, ReadSession, Repository, WriteSession } from '../repository.js';
import type { Manifest, SnapshotFacts, StoredObject } from '../snapshots/manifest.js';

export const PASSPHRASE = 'correct horse battery staple';
/** The cheapest derivation: tests open hundreds of repositories. */
export const CHEAP_KDF = { memoryKib: 8, passes: 1, parallelism: 1 };

export function newRepository(store: BlobStore, options: Partial<CreateOptions> = {}): Promise<Repository> {
  return createRepository(store, { passphrase: PASSPHRASE, kdf: CHEAP_KDF, ...options });
}

/** Incompressible bytes that a seed repeats. */
export function noise(length: number, seed = 1): Buffer {
  const key = Buffer.alloc(16, seed & 255);
  key.writeUInt32LE(seed, 0);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

export async function* pieces(bytes: Buffer, size = 64 * 1024): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

export function describing(key: string, over: Partial<ObjectDescription> = {}): ObjectDescription {
  return { key, kind: 'rows', order: 0, class: 'rows', ...over };
}

export function snapshotFacts(over: Partial<SnapshotFacts> = {}): SnapshotFacts {
  return {
    run: 'run_1',
    attempt: 1,
    organization: 'org_1',
    server: { id: 'server_1', identity: '7311', name: 'shop', version: '15.18' },
    database: { name: 'shop' },
    engine: 'postgresql',
    method: 'postgresql.logical',
    label: 'full',
    consistency: 'snapshot',
    positions: { start: '0/3000028' },
    consistentAt: '2026-11-24T03:00:00.000Z',
    findings: [],
    tool: 'pg_dump 15.18',
    evidence: { cleanExit: true },
    ...over,
  };
}

export async function writeAll(session: WriteSession, objects: Record<string, Buffer>): Promise<StoredObject[]> {
  const stored: StoredObject[] = [];
  for (const [key, bytes] of Object.entries(objects)) stored.push(await session.writeObject(describing(key), pieces(bytes)));
  return stored;
}

export async function backUp(repository: Repository, id: string, objects: Record<string, Buffer>): Promise<Manifest> {
  await using session = await repository.beginWriting({ writer: 'worker-1' });
  return await session.commit(id, snapshotFacts(), await writeAll(session, objects));
}

export async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

export async function readAll(session: ReadSession, manifest: Manifest): Promise<Record<string, Buffer>> {
  const objects: Record<string, Buffer> = {};
  for (const object of manifest.objects) objects[object.key] = await collect(session.readObject(object));
  return objects;
}

export async function restore(repository: Repository, id: string): Promise<Record<string, Buffer>> {
  await using session = await repository.beginReading();
  return await readAll(session, await repository.findSnapshot(id));
}

/** Large buffers are compared by their hashes: a test framework's own comparison takes minutes. */
export function digests(objects: Record<string, Buffer>): Record<string, string> {
  return Object.fromEntries(Object.entries(objects).map(([key, bytes]) => [key, createHash('sha256').update(bytes).digest('hex')]));
}
