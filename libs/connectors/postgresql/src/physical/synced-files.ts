import type { FileHandle } from 'node:fs/promises';
import type { WritableFile } from '@rahat/connector-kit';

/** Of one file, before the disk begins with it. */
const BEGIN_BYTES = 32 << 20;
/** Files whose end is put on disk at the same time; the next one waits. */
const AT_ONCE = 4;

/** Puts files on disk while others are read and written: done at the end, the processor would wait for the disk alone. */
export class SyncedFiles {
  private readonly begun = new Set<Promise<void>>();
  private readonly ending = new Set<Promise<void>>();
  private failure: { error: unknown } | undefined;

  /** Writes into the file, and has the disk begin long before its end. */
  writing(file: FileHandle): WritableFile {
    let fresh = 0;
    let syncing = false;
    return {
      writev: async (pieces, position) => {
        const result = await file.writev(pieces, position);
        fresh += result.bytesWritten;
        if (fresh < BEGIN_BYTES || syncing) return result;
        fresh = 0;
        syncing = true;
        void this.noting(file.datasync(), this.begun).then(() => (syncing = false));
        return result;
      },
    };
  }

  /** The file is written: it is put on disk and closed, while the caller goes on. */
  async end(file: FileHandle): Promise<void> {
    void this.noting(
      file.sync().finally(() => file.close()),
      this.ending,
    );
    while (this.ending.size >= AT_ONCE) await Promise.race(this.ending);
    this.throwFailure();
  }

  /** All that ended is on disk. */
  async settled(): Promise<void> {
    await Promise.all([...this.begun, ...this.ending]);
    this.throwFailure();
  }

  /** The kernel tells of what it could not write once, to whoever asks first. */
  private noting(syncing: Promise<void>, among: Set<Promise<void>>): Promise<void> {
    const noted = syncing.catch((error: unknown) => void (this.failure ??= { error })).finally(() => among.delete(noted));
    among.add(noted);
    return noted;
  }

  private throwFailure(): void {
    if (this.failure) throw this.failure.error as Error;
  }
}
