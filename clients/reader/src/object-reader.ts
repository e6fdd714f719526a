import { createHash } from 'node:crypto';
import type { Home } from './chunk-table.js';
import type { StoredObject } from './format/manifest.js';
import { type PackKind, readFrame, readPackKey } from './format/pack.js';
import { type ChunkRef, chunksOf } from './format/recipe.js';
import { hmac } from './format/sealing.js';
import { ChunkIndex } from './index-of-chunks.js';
import { damaged, messageOf, ReaderError } from './reader-error.js';
import type { Repository } from './repository.js';

/** Plaintext of frames that is kept for the next chunks: they mostly lie beside those that were just read. */
const CACHE_BYTES = 32 * 1024 * 1024;
const MOST_PACK_KEYS = 4_096;

/** Reads objects. Every chunk is compared with its id before it is given out, and the whole with its SHA-256 at the end. */
export class ObjectReader {
  readonly #frames = new Map<string, Buffer>();
  readonly #packKeys = new Map<string, Buffer>();
  #cachedBytes = 0;

  private constructor(
    private readonly repository: Repository,
    readonly index: ChunkIndex,
  ) {}

  static async open(repository: Repository): Promise<ObjectReader> {
    return new ObjectReader(repository, await ChunkIndex.load(repository));
  }

  /** The object's bytes. The last piece has come out only when the generator ends without an error: until then the object isn't proven. */
  async *read(object: StoredObject): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const reference of this.chunks(object)) {
      const bytes = await this.chunk(reference, 'data');
      hash.update(bytes);
      sizeBytes += bytes.length;
      yield bytes;
    }
    if (sizeBytes !== object.sizeBytes || hash.digest('hex') !== object.sha256)
      throw new ReaderError('damaged', `${object.key}: its content is not what its manifest says (size or SHA-256)`);
  }

  /** A small object as a whole. */
  async readWhole(object: StoredObject): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.read(object)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** The recipe's chunks, without reading them. */
  chunks(object: StoredObject): AsyncGenerator<ChunkRef> {
    return chunksOf(object.recipe, (reference) => this.chunk(reference, 'metadata'));
  }

  /** One chunk, from whichever home still has it. */
  async chunk(reference: ChunkRef, kind: PackKind): Promise<Buffer> {
    const failures = new Map<string, unknown>();
    const found = await this.#tryHomes(reference, kind, failures);
    if (found) return found;
    await this.index.readFooters();
    const foundByFooters = await this.#tryHomes(reference, kind, failures);
    if (foundByFooters) return foundByFooters;
    const [first] = failures;
    const id = reference.id.toString('hex');
    if (!first) throw damaged('packs/', `chunk ${id} is in no pack`);
    const others = [...failures.keys()].slice(1);
    const also = others.length > 0 ? `; nor do ${others.join(', ')} have it` : '';
    throw damaged(first[0], `chunk ${id} can't be read: ${messageOf(first[1])}${also}`, first[1]);
  }

  async #tryHomes({ id, length }: ChunkRef, kind: PackKind, failures: Map<string, unknown>): Promise<Buffer | undefined> {
    const key = kind === 'data' ? this.repository.chunkIdKey : this.repository.recipeChunkIdKey;
    for (const home of this.index.homes(id)) {
      const pack = this.index.pack(home.pack);
      if (home.length !== length || pack.kind !== kind) continue;
      try {
        const frame = await this.#frame(home);
        const bytes = frame.subarray(home.offset, home.offset + length);
        if (hmac(key, bytes).equals(id)) return bytes;
        throw damaged(pack.name, `frame ${home.frame} holds something else than chunk ${id.toString('hex')}`);
      } catch (error) {
        failures.set(pack.name, error);
      }
    }
    return undefined;
  }

  async #frame(home: Home): Promise<Buffer> {
    const place = `${home.pack}:${home.frame}`;
    const cached = this.#frames.get(place);
    this.#frames.delete(place);
    const frame = cached ?? (await this.#readFrame(home));
    if (!cached) this.#cachedBytes += frame.length;
    this.#frames.set(place, frame);
    for (const [oldest, bytes] of this.#frames) {
      if (this.#cachedBytes <= CACHE_BYTES) break;
      this.#frames.delete(oldest);
      this.#cachedBytes -= bytes.length;
    }
    return frame;
  }

  async #readFrame(home: Home): Promise<Buffer> {
    const { name } = this.index.pack(home.pack);
    const { folder, packKeys } = this.repository;
    const key = this.#packKeys.get(name) ?? (await readPackKey(folder, name, packKeys));
    if (this.#packKeys.size >= MOST_PACK_KEYS) this.#packKeys.clear();
    this.#packKeys.set(name, key);
    return readFrame(folder, name, key, packKeys.metadata.repositoryId, this.index.framePlace(home.pack, home.frame));
  }
}
