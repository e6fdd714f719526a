import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ReaderError } from '../reader-error.js';

const UNFINISHED = 'unfinished';

/**
 * A new or empty folder to restore into. All is written below `unfinished` and moved out when it is proven, so what stands in the folder
 * itself is whole.
 */
export class TargetFolder {
  readonly path: string;
  readonly #unfinished: string;

  private constructor(path: string) {
    this.path = resolve(path);
    this.#unfinished = join(this.path, UNFINISHED);
  }

  /** Throws where the folder has content, but for what an interrupted restore left. */
  static async prepare(path: string): Promise<TargetFolder> {
    const target = new TargetFolder(path);
    await mkdir(target.path, { recursive: true, mode: 0o700 });
    const present = await readdir(target.path);
    if (present.some((name) => name !== UNFINISHED)) throw new ReaderError('usage', `${target.path} is not empty. Nothing was changed.`);
    await rm(target.#unfinished, { recursive: true, force: true });
    await mkdir(target.#unfinished, { mode: 0o700 });
    return target;
  }

  place(...parts: string[]): string {
    return join(this.#unfinished, ...parts);
  }

  /** Where a part will stand when all is done. */
  final(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** Pulls `content` into a new file, on disk when it returns. Nothing remains of a file whose content failed. */
  async write(place: string | Buffer, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array | string>): Promise<void> {
    const file = await open(place, 'wx', 0o600);
    try {
      await writeFile(file, content);
      await file.sync();
    } catch (error) {
      await rm(place, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  }

  /** All that was written takes its place. */
  async finish(): Promise<void> {
    for (const name of (await readdir(this.#unfinished)).sort()) await rename(join(this.#unfinished, name), join(this.path, name));
    await rm(this.#unfinished, { recursive: true });
    for (const path of [this.path, dirname(this.path)]) {
      const folder = await open(path, 'r');
      await folder.sync().finally(() => folder.close());
    }
  }
}
