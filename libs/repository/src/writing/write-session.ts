import { createRequire } from 'node:module';
import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import { cutSizesFor } from '../chunking/classes.js';
import type { RepositoryContext } from '../context.js';
import type { RepositoryConfig } from '../descriptor/config.js';
import type { Speed } from '../threads/jobs.js';
import { loadIndexForWriting } from '../index/load-index.js';
import type { RepositoryIndex } from '../index/repository-index.js';
import { Lease } from '../leases/lease.js';
import { LogFacts, type LogManifest, type LogNames } from '../logs/log-manifest.js';
import { checkedLogId } from '../logs/log-names.js';
import { logPublication } from '../logs/log-publication.js';
import type { ObjectDescription, ObjectFacts, WriteProgress, WriteSession } from '../repository.js';
import { assertSnapshotId } from '../snapshots/manifest-files.js';
import { SnapshotFacts, StoredObject, type Manifest } from '../snapshots/manifest.js';
import { snapshotPublication } from '../snapshots/snapshot-publication.js';
import { SessionJobs } from '../threads/session-jobs.js';
import { ChunkSink } from './chunk-sink.js';
import { writeStream } from './object-writer.js';
import { PackPipeline } from './pack-pipeline.js';
import { manifestConflict, publishManifest, type Publication } from './publish-manifest.js';

export interface WritingOptions {
  writer: string;
  signal?: AbortSignal;
  speed?: Speed;
  sourceBytes?: number;
}

const PRODUCT_VERSION = (createRequire(import.meta.url)('../../package.json') as { version: string }).version;
const MAX_KEY_BYTES = 1024;

export class RepositoryWriteSession implements WriteSession {
  private readonly pipeline: PackPipeline;
  private readonly sink: ChunkSink;
  private readonly cutSizes: RepositoryConfig['cutSizes'];
  /** What was committed here, so that a repetition puts the same bytes. */
  private readonly committed = new Map<string, Publication<Manifest>>();
  /** Of the logs the last one: a session may commit very many. */
  private lastLog: Publication<LogManifest> | undefined;
  private readBytes = 0;
  private addedBefore = 0;
  private writing = 0;
  private closed = false;

  private constructor(
    private readonly context: RepositoryContext,
    private readonly index: RepositoryIndex,
    private readonly lease: Lease,
    private readonly options: WritingOptions,
  ) {
    const speed = options.speed ?? 'default';
    const jobs = new SessionJobs(context.threads);
    this.pipeline = new PackPipeline(context, index, lease, jobs, { ...options, speed });
    this.cutSizes = cutSizesFor(context.config.cutSizes, options.sourceBytes ?? 0);
    this.sink = new ChunkSink(context, index, this.pipeline, jobs, { speed, cutSizes: this.cutSizes });
  }

  static async begin(context: RepositoryContext, options: WritingOptions): Promise<RepositoryWriteSession> {
    throwIfCancelled(options.signal);
    const early = context.protocol.leaseBeforeIndex ? undefined : await loadIndexForWriting(context);
    // repository.md §7.1: first the lease, so that a collection that condemns later waits for this session.
    const lease = await Lease.take(context, 'writer', options.writer);
    try {
      return new RepositoryWriteSession(context, early ?? (await loadIndexForWriting(context)), lease, options);
    } catch (error) {
      await lease.release().catch(() => undefined);
      throw error;
    }
  }

  async writeObject(description: ObjectDescription, source: AsyncIterable<Uint8Array>, facts?: () => ObjectFacts): Promise<StoredObject> {
    this.assertUsable();
    const { key, kind, order } = description;
    if (key === '' || Buffer.byteLength(key) > MAX_KEY_BYTES) {
      throw new RahatError('invalid_input', `The object key ${JSON.stringify(key.slice(0, 80))} must have 1 to ${MAX_KEY_BYTES} bytes.`);
    }
    this.writing++;
    try {
      const written = await writeStream(this.sink, this.cutSizes, description.class, source, (bytes) => (this.readBytes += bytes));
      return StoredObject.parse({ key, kind, order, ...written, ...facts?.() });
    } finally {
      this.writing--;
    }
  }

  progress(): WriteProgress {
    return { readBytes: this.readBytes, addedBytes: this.pipeline.addedBytes };
  }

  async commit(snapshotId: string, facts: SnapshotFacts, objects: StoredObject[]): Promise<Manifest> {
    this.assertUsable();
    assertSnapshotId(snapshotId);
    await this.store(objects);
    const parsedFacts = SnapshotFacts.parse(facts);
    const manifest: Manifest = { ...parsedFacts, snapshot: snapshotId, ...this.statement(objects) };
    const publication = this.again(this.committed.get(snapshotId), snapshotPublication(this.context, manifest));
    this.committed.set(snapshotId, publication);
    return this.publish(publication);
  }

  async commitLog(stream: string, { first, last }: LogNames, facts: LogFacts, objects: StoredObject[]): Promise<LogManifest> {
    this.assertUsable();
    const id = checkedLogId(stream, { first, last });
    const parsedFacts = LogFacts.parse(facts);
    await this.store(objects);
    const manifest: LogManifest = { ...parsedFacts, stream, first, last, ...this.statement(objects) };
    const earlier = this.lastLog?.id === id ? this.lastLog : undefined;
    this.lastLog = this.again(earlier, logPublication(this.context, manifest));
    return this.publish(this.lastLog);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.pipeline.abandon();
    this.index.close();
    // A lease that stays behind runs out by itself.
    await this.lease.release().catch(() => undefined);
  }

  /** Afterwards all that these objects need is stored and indexed. */
  private async store(objects: StoredObject[]): Promise<void> {
    // A finished object may refer to chunks that stand in the unfilled frame of one that still streams.
    if (this.writing > 0) throw new RahatError('conflict', `${this.writing} objects are still being written; commit when they have ended.`);
    await this.sink.flush();
    await this.index.healing?.restoreLostRows();
    this.assertComplete(objects);
  }

  /** What is the same in every manifest. */
  private statement(objects: StoredObject[]) {
    return {
      format: 1 as const,
      repository: this.context.repositoryId.toString('hex'),
      writer: this.options.writer,
      productVersion: PRODUCT_VERSION,
      createdAt: this.lease.now().toISOString(),
      objects,
      sizeBytes: objects.reduce((sum, object) => sum + object.sizeBytes, 0),
      addedBytes: this.pipeline.addedBytes - this.addedBefore,
    };
  }

  /** A repetition puts the bytes of the earlier try. */
  private again<M>(earlier: Publication<M> | undefined, publication: Publication<M>): Publication<M> {
    if (!earlier) return publication;
    if (!publication.isSameContent(earlier.manifest)) throw manifestConflict(publication.id);
    return earlier;
  }

  private async publish<M>(publication: Publication<M>): Promise<M> {
    const published = await publishManifest(this.context, this.lease, publication, this.options.signal);
    if (!this.context.protocol.indexBeforeManifest) await this.pipeline.putIndexSegment();
    this.addedBefore = this.pipeline.addedBytes;
    return published;
  }

  /** Every chunk that the manifest will name directly must be stored by now, by this session or an earlier one. */
  private assertComplete(objects: StoredObject[]): void {
    const keys = new Set<string>();
    for (const { key, recipe } of objects) {
      if (keys.has(key)) throw new RahatError('invalid_input', `Two objects of the snapshot have the key ${JSON.stringify(key)}.`);
      keys.add(key);
      for (const [id] of 'chunks' in recipe ? recipe.chunks : recipe.recipeChunks) {
        const home = this.index.chunks.get(Buffer.from(id, 'hex'));
        if (!home || this.index.packs[home.pack] === undefined) {
          throw new RahatError(
            'repository_chunk_missing',
            `Object ${JSON.stringify(key)} refers to a chunk that is not stored in this repository.`,
          );
        }
      }
    }
  }

  private assertUsable(): void {
    if (this.closed) throw new RahatError('conflict', 'The writing session is closed.');
    this.pipeline.throwIfFailed();
    this.lease.assertHeld();
  }
}
