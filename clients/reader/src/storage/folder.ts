import type { Dirent } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { damaged, messageOf, ReaderError } from '../reader-error.js';

const PIECE_BYTES = 1024 * 1024;

export interface StoredFile {
  /** Path below the repository, with `/`. */
  name: string;
  sizeBytes: number;
}

/** A repository's files in a folder. It only ever reads; what can't be read is `damaged`, by its name. */
export class Folder {
  constructor(readonly path: string) {}

  async read(name: string): Promise<Buffer> {
    return this.#opened(name, async (file) => file.readFile());
  }

  async size(name: string): Promise<number> {
    return this.#opened(name, async (file) => (await file.stat()).size);
  }

  /** Exactly `length` bytes from `offset`. */
  async readRange(name: string, offset: number, length: number): Promise<Buffer> {
    return this.#opened(name, async (file) => {
      const bytes = Buffer.allocUnsafe(length);
      for (let filled = 0; filled < length;) {
        const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) throw damaged(name, `it ends at ${offset + filled} bytes, before ${offset + length}`);
        filled += bytesRead;
      }
      return bytes;
    });
  }

  /** The file's bytes in pieces. */
  async *stream(name: string): AsyncGenerator<Buffer> {
    const sizeBytes = await this.size(name);
    for (let at = 0; at < sizeBytes; at += PIECE_BYTES) yield await this.readRange(name, at, Math.min(PIECE_BYTES, sizeBytes - at));
  }

  /** Files right below `prefix` (which ends in `/`), by name; what isn't named like `pattern` is no file of the repository. */
  async list(prefix: string, pattern: RegExp): Promise<StoredFile[]> {
    const files: StoredFile[] = [];
    for (const name of (await this.#entries(prefix, pattern)).filter((entry) => entry.isFile()).map((entry) => entry.name))
      files.push({ name: `${prefix}${name}`, sizeBytes: await this.size(`${prefix}${name}`) });
    return files;
  }

  async folders(prefix: string, pattern: RegExp): Promise<string[]> {
    return (await this.#entries(prefix, pattern)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  }

  async #entries(prefix: string, pattern: RegExp): Promise<Dirent[]> {
    const entries = await readdir(join(this.path, prefix), { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw unreadable(prefix, error);
    });
    return entries.filter(({ name }) => pattern.test(name)).sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  async #opened<T>(name: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
    try {
      const file = await open(join(this.path, name), 'r');
      return await work(file).finally(() => file.close());
    } catch (error) {
      throw error instanceof ReaderError ? error : unreadable(name, error);
    }
  }
}

function unreadable(name: string, cause: unknown): ReaderError {
  const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  return damaged(name, missing ? 'it is missing' : `it can't be read: ${messageOf(cause)}`, cause);
}
