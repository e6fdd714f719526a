import { createHash } from 'node:crypto';
import type { ChunkRef } from './format/recipe.js';
import { readFooter, readFrame, readPackKey } from './format/pack.js';
import { hmac } from './format/sealing.js';
import type { ChunkIndex } from './index-of-chunks.js';
import { damaged, type Problem, problemOf } from './reader-error.js';
import type { Repository } from './repository.js';

/** What of the packs is whole: by their sizes, or by every byte. */
export class PackCheck {
  readonly problems: Problem[] = [];
  readBytes = 0;
  readonly files = new Map<string, number>();
  /** `<pack>` where nothing in it can be used, `<pack>:<frame>` where a frame can't. */
  readonly #broken = new Set<string>();

  constructor(
    private readonly repository: Repository,
    private readonly index: ChunkIndex,
  ) {}

  /** Packs that the index names and that are missing or have another size. Those that no segment names tell what they hold themselves. */
  async compareFiles(): Promise<void> {
    for (const { name, sizeBytes } of await this.repository.packFiles()) this.files.set(name, sizeBytes);
    const named = new Set(this.index.packs.map(({ name }) => name));
    for (const { name, sizeBytes } of this.index.packs) {
      const found = this.files.get(name);
      if (found === sizeBytes) continue;
      this.#fail(name, name, damaged(name, found === undefined ? 'it is missing' : `it has ${found} bytes instead of ${sizeBytes}`));
    }
    if ([...this.files.keys()].some((name) => !named.has(name))) await this.index.readFooters();
  }

  /** Names against content, footers, frames and chunks. */
  async readAll(): Promise<void> {
    for (const [name, sizeBytes] of this.files) {
      try {
        const hash = createHash('sha256');
        for await (const bytes of this.repository.folder.stream(name)) hash.update(bytes);
        if (!name.endsWith(`/${hash.digest('hex')}`)) this.problems.push(problemOf(name, damaged(name, 'its SHA-256 is not its name')));
        await this.#readFrames(name);
      } catch (error) {
        this.#fail(name, name, error);
      }
      this.readBytes += sizeBytes;
    }
  }

  /** Whether a chunk can be read from somewhere, as far as the check went. */
  holds({ id, length }: ChunkRef): boolean {
    for (const home of this.index.homes(id)) {
      const { name } = this.index.pack(home.pack);
      const broken = this.#broken.has(name) || this.#broken.has(`${name}:${home.frame}`);
      if (home.length === length && this.files.has(name) && !broken) return true;
    }
    return false;
  }

  async #readFrames(name: string): Promise<void> {
    const { folder, packKeys, chunkIdKey, recipeChunkIdKey } = this.repository;
    const { kind, table } = await readFooter(folder, name, packKeys);
    const packKey = await readPackKey(folder, name, packKeys);
    let chunk = 0;
    for (let frame = 0; frame < table.frameCount; frame++) {
      try {
        const bytes = await readFrame(folder, name, packKey, packKeys.metadata.repositoryId, { frame, ...table.frame(frame) });
        for (; chunk < table.chunkCount && table.chunk(chunk).frame === frame; chunk++) {
          const { offset, length } = table.chunk(chunk);
          const id = hmac(kind === 'data' ? chunkIdKey : recipeChunkIdKey, bytes.subarray(offset, offset + length));
          if (!id.equals(table.chunkId(chunk))) throw damaged(name, `frame ${frame} holds another chunk than its table says`);
        }
      } catch (error) {
        this.#fail(name, `${name}:${frame}`, error);
        while (chunk < table.chunkCount && table.chunk(chunk).frame === frame) chunk++;
      }
    }
  }

  #fail(name: string, part: string, error: unknown): void {
    this.#broken.add(part);
    this.problems.push(problemOf(name, error));
  }
}
