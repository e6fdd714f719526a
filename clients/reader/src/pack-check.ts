import { createHash } from 'node:crypto';
import type { Home } from './chunk-table.js';
import { readFooter, readFrame, readPackKey } from './format/pack.js';
import type { PackTable } from './format/pack-table.js';
import { hmac } from './format/sealing.js';
import type { ChunkIndex, Problem } from './index-of-chunks.js';
import { damaged, messageOf } from './reader-error.js';
import type { Repository } from './repository.js';
import type { StoredFile } from './storage/folder.js';

/** What of the packs is whole: by their sizes, or by every byte. */
export class PackCheck {
  readonly problems: Problem[] = [];
  readBytes = 0;
  readonly #files = new Map<string, number>();
  /** `<pack>` where nothing in it can be used, `<pack>:<frame>` where a frame can't. */
  readonly #broken = new Set<string>();

  constructor(
    private readonly repository: Repository,
    private readonly index: ChunkIndex,
  ) {}

  get fileCount(): number {
    return this.#files.size;
  }

  /** Packs that the index names and that are missing or have another size. Those that no segment names tell what they hold themselves. */
  async compareFiles(): Promise<void> {
    for (const { name, sizeBytes } of await this.repository.packFiles()) this.#files.set(name, sizeBytes);
    const named = new Set(this.index.packs.map(({ name }) => name));
    for (const { name, sizeBytes } of this.index.packs) {
      const found = this.#files.get(name);
      if (found === sizeBytes) continue;
      this.#fail(name, found === undefined ? 'it is missing' : `it has ${found} bytes instead of ${sizeBytes}`);
    }
    if ([...this.#files.keys()].some((name) => !named.has(name))) await this.index.readFooters();
  }

  /** Names against content, footers, frames and chunks. */
  async readAll(onProgress: (readBytes: number, totalBytes: number) => void): Promise<void> {
    const files = await this.repository.packFiles();
    const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const file of files) {
      await this.#compareName(file);
      await this.#readContent(file.name);
      this.readBytes += file.sizeBytes;
      onProgress(this.readBytes, totalBytes);
    }
  }

  /** Whether a chunk can be read from somewhere, as far as the check went. */
  holds(id: Buffer, length: number): boolean {
    return [...this.index.homes(id)].some((home) => home.length === length && this.#whole(home));
  }

  brokenHomes(id: Buffer): string {
    const names = [...this.index.homes(id)].map(({ pack }) => this.index.pack(pack).name);
    return names.length === 0 ? 'nobody knows of one' : names.join(', ');
  }

  #whole({ pack, frame }: Home): boolean {
    const { name } = this.index.pack(pack);
    return this.#files.has(name) && !this.#broken.has(name) && !this.#broken.has(`${name}:${frame}`);
  }

  async #compareName({ name }: StoredFile): Promise<void> {
    try {
      const hash = createHash('sha256');
      for await (const bytes of this.repository.folder.stream(name)) hash.update(bytes);
      if (!name.endsWith(`/${hash.digest('hex')}`)) throw damaged(name, 'its SHA-256 is not its name');
    } catch (error) {
      this.problems.push({ file: name, message: messageOf(error) });
    }
  }

  async #readContent(name: string): Promise<void> {
    const { folder, packKeys } = this.repository;
    try {
      const { kind, table } = await readFooter(folder, name, packKeys);
      const packKey = await readPackKey(folder, name, packKeys);
      const idKey = kind === 'data' ? this.repository.chunkIdKey : this.repository.recipeChunkIdKey;
      let chunk = 0;
      for (let frame = 0; frame < table.frameCount; frame++) {
        const first = chunk;
        while (chunk < table.chunkCount && table.chunk(chunk).frame === frame) chunk++;
        await this.#readFrame(name, frame, { table, first, end: chunk }, packKey, idKey);
      }
    } catch (error) {
      this.#fail(name, messageOf(error));
    }
  }

  async #readFrame(
    name: string,
    frame: number,
    { table, first, end }: { table: PackTable; first: number; end: number },
    packKey: Buffer,
    idKey: Buffer,
  ): Promise<void> {
    try {
      const { repositoryId } = this.repository.packKeys.metadata;
      const bytes = await readFrame(this.repository.folder, name, packKey, repositoryId, { frame, ...table.frame(frame) });
      for (let chunk = first; chunk < end; chunk++) {
        const { offset, length } = table.chunk(chunk);
        const id = table.chunkId(chunk);
        if (!hmac(idKey, bytes.subarray(offset, offset + length)).equals(id))
          throw damaged(name, `frame ${frame} holds something else than chunk ${id.toString('hex')}`);
      }
    } catch (error) {
      this.#broken.add(`${name}:${frame}`);
      this.problems.push({ file: name, message: messageOf(error) });
    }
  }

  #fail(name: string, message: string): void {
    this.#broken.add(name);
    this.problems.push({ file: name, message: message.startsWith(name) ? message : `${name}: ${message}` });
  }
}
