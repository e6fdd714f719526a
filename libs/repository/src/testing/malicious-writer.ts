import { randomBytes } from 'node:crypto';
import type { WriteOnlyCredential } from '@rahat/contracts';
import { LEASE_TTL_MS, SYSTEM_CLOCK, type RepositoryContext } from '../context.js';
import { newConfig } from '../descriptor/config.js';
import { compressFrame } from '../frames/frame-codec.js';
import type { IndexedPack } from '../index/index-segment.js';
import { readIndexSegments, sealIndexSegment } from '../index/segment-files.js';
import type { PackKind } from '../keys/pack-keys.js';
import { writeOnlyKeys } from '../keys/write-only.js';
import { indexName, packName, snapshotName } from '../layout.js';
import { packCapacity, PackWriter, type FrameContent } from '../packs/pack-writer.js';
import { PROTOCOL } from '../protocol.js';
import { sealManifest } from '../snapshots/manifest-files.js';
import type { Manifest } from '../snapshots/manifest.js';
import type { MemoryStore } from './memory-store.js';

const PACK_BYTES = 32 * 1024 * 1024;

/** Who stole a write-only credential and the access to the storage: seals whatever it likes, and can open no data. */
export class MaliciousWriter {
  readonly context: RepositoryContext;

  constructor(
    private readonly store: MemoryStore,
    credential: WriteOnlyCredential,
    /** What it calls itself. */
    public name = 'thief',
  ) {
    const keys = writeOnlyKeys(credential);
    this.context = {
      store,
      repositoryId: Buffer.from(credential.repository, 'hex'),
      keys,
      config: newConfig('', keys.packPublic),
      clock: SYSTEM_CLOCK,
      leaseTtlMs: LEASE_TTL_MS,
      protocol: PROTOCOL,
    };
  }

  /** A pack of its own whose footer gives the chunks these ids, whatever bytes they hold. */
  async putPack(chunks: { id: Buffer; bytes: Buffer }[], kind: PackKind = 'data'): Promise<IndexedPack> {
    const content: FrameContent = {
      plaintext: Buffer.concat(chunks.map(({ bytes }) => bytes)),
      chunkIds: chunks.map(({ id }) => id),
      chunkLengths: chunks.map(({ bytes }) => bytes.length),
    };
    return this.putFrame(content, await compressFrame(content.plaintext, 'fast'), kind);
  }

  /** A pack whose one frame has any body. */
  async putFrame(content: FrameContent, body: Buffer, kind: PackKind = 'data'): Promise<IndexedPack> {
    const options = { packSizeBytes: PACK_BYTES, buffer: Buffer.alloc(packCapacity(PACK_BYTES)) };
    const pack = await PackWriter.open(kind, this.context, options);
    pack.addFrame(content, body);
    const { hash, file, table } = await pack.close();
    await this.store.put(packName(hash), file);
    return { hash, sizeBytes: file.length, kind, table };
  }

  async putSegment(packs: IndexedPack[]): Promise<string> {
    // Before all others in a listing, so that it is this one which is believed.
    const name = indexName(`00${randomBytes(15).toString('hex')}`);
    await this.store.put(name, sealIndexSegment(this.context, name, { writer: this.name, replaces: [], packs }));
    return name;
  }

  async putManifest(manifest: Manifest): Promise<void> {
    await this.store.put(snapshotName(manifest.snapshot), sealManifest(this.context, { ...manifest, writer: this.name }));
  }

  /** What the index says of all packs of a kind, by anybody. */
  async indexed(kind: PackKind = 'data'): Promise<IndexedPack[]> {
    const packs: IndexedPack[] = [];
    for await (const segment of readIndexSegments(this.context)) packs.push(...segment.packs.filter((pack) => pack.kind === kind));
    return packs;
  }
}
