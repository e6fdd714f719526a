import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { damaged, messageOf, ReaderError } from '../reader-error.js';

export interface StoredFile {
  /** Path below the repository, with `/`. */
  name: string;
  sizeBytes: number;
}

/** A repository's files in a folder. It only ever reads. */
export class Folder {
  constructor(readonly path: string) {}

  /** The whole file. Throws `damaged` with its name when it can't be read. */
  async read(name: string): Promise<Buffer> {
    return readFile(this.place(name)).catch((error: unknown) => {
      throw unreadable(name, error);
    });
  }

  /** Undefined where there is no such file. */
  async readIfPresent(name: string): Promise<Buffer | undefined> {
    return readFile(this.place(name)).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw unreadable(name, error);
    });
  }

  /** Exactly `length` bytes from `offset`. */
  async readRange(name: string, offset: number, length: number): Promise<Buffer> {
    try {
      const file = await open(this.place(name), 'r');
      try {
        const bytes = Buffer.allocUnsafe(length);
        let filled = 0;
        while (filled < length) {
          const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
          if (bytesRead === 0) throw damaged(name, `it ends at ${offset + filled} bytes, before ${offset + length}`);
          filled += bytesRead;
        }
        return bytes;
      } finally {
        await file.close();
      }
    } catch (error) {
      throw error instanceof ReaderError ? error : unreadable(name, error);
    }
  }

  async size(name: string): Promise<number> {
    try {
      return (await stat(this.place(name))).size;
    } catch (error) {
      throw unreadable(name, error);
    }
  }

  /** The file's bytes in pieces. */
  async *stream(name: string): AsyncGenerator<Buffer> {
    const PIECE = 1024 * 1024;
    const sizeBytes = await this.size(name);
    for (let at = 0; at < sizeBytes; at += PIECE) yield await this.readRange(name, at, Math.min(PIECE, sizeBytes - at));
  }

  /** Files right below `prefix` (which ends in `/`), by name; what isn't named like `pattern` is no file of the repository. */
  async list(prefix: string, pattern: RegExp): Promise<StoredFile[]> {
    const names = await readdir(this.place(prefix), { withFileTypes: true }).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw unreadable(prefix, error);
    });
    const found = names.filter((entry) => entry.isFile() && pattern.test(entry.name)).map((entry) => `${prefix}${entry.name}`);
    const files: StoredFile[] = [];
    for (const name of found.sort()) files.push({ name, sizeBytes: await this.size(name) });
    return files;
  }

  async folders(prefix: string): Promise<string[]> {
    const names = await readdir(this.place(prefix), { withFileTypes: true }).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw unreadable(prefix, error);
    });
    return names
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${prefix}${entry.name}/`)
      .sort();
  }

  private place(name: string): string {
    return join(this.path, ...name.split('/'));
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function unreadable(name: string, cause: unknown): ReaderError {
  return damaged(name, isMissing(cause) ? 'it is missing' : `it can't be read: ${messageOf(cause)}`, cause);
}
