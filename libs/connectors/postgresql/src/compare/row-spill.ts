import { open, unlink, type FileHandle } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { RahatError } from '@rahat/contracts';

const HEADER_BYTES = 9;
const WRITE_BYTES = 256 * 1024;
const READ_BYTES = 1024 * 1024;

export type Side = 'older' | 'newer';

export interface SpilledRow {
  side: Side;
  row: string;
  count: number;
}

/** What all spilled rows of a comparison may take on disk. */
export class ScratchSpace {
  #used = 0;

  constructor(
    readonly folder: string,
    private readonly mostBytes: number,
  ) {}

  take(bytes: number): void {
    this.#used += bytes;
    if (this.#used > this.mostBytes) throw scratchFull(`more than its ${Math.round(this.mostBytes / 1e6)} MB would be needed`);
  }

  giveBack(bytes: number): void {
    this.#used -= bytes;
  }
}

/** Rows that wait on disk, in a file without a name that nobody else can open: it is gone with the process. */
export class RowSpill implements AsyncDisposable {
  #file: FileHandle | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #written = 0;

  constructor(private readonly space: ScratchSpace) {}

  get sizeBytes(): number {
    return this.#written + this.#pendingBytes;
  }

  add({ side, row, count }: SpilledRow): void {
    const record = Buffer.allocUnsafe(HEADER_BYTES + row.length);
    record.writeUInt8(side === 'older' ? 0 : 1);
    record.writeUInt32LE(count, 1);
    record.writeUInt32LE(row.length, 5);
    record.write(row, HEADER_BYTES, 'latin1');
    this.#pending.push(record);
    this.#pendingBytes += record.length;
  }

  get full(): boolean {
    return this.#pendingBytes >= WRITE_BYTES;
  }

  async flush(): Promise<void> {
    if (this.#pendingBytes === 0) return;
    const bytes = Buffer.concat(this.#pending);
    this.space.take(bytes.length);
    this.#pending = [];
    this.#pendingBytes = 0;
    try {
      this.#file ??= await namelessFile(this.space.folder);
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.#written);
        at += bytesWritten;
        this.#written += bytesWritten;
      }
    } catch (cause) {
      throw scratchFull(cause instanceof Error ? cause.message : String(cause), cause);
    }
  }

  async *rows(): AsyncGenerator<SpilledRow> {
    await this.flush();
    let held = Buffer.alloc(0);
    for (let at = 0; at < this.#written;) {
      const piece = Buffer.allocUnsafe(Math.min(READ_BYTES, this.#written - at));
      const { bytesRead } = await this.#file!.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw new RahatError('internal', 'A scratch file is shorter than what was written to it');
      at += bytesRead;
      held = Buffer.concat([held, piece.subarray(0, bytesRead)]);
      let from = 0;
      for (; held.length - from >= HEADER_BYTES;) {
        const end = from + HEADER_BYTES + held.readUInt32LE(from + 5);
        if (end > held.length) break;
        yield {
          side: held[from] === 0 ? 'older' : 'newer',
          count: held.readUInt32LE(from + 1),
          row: held.toString('latin1', from + HEADER_BYTES, end),
        };
        from = end;
      }
      held = held.subarray(from);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    this.space.giveBack(this.#written);
    this.#written = 0;
  }
}

async function namelessFile(folder: string): Promise<FileHandle> {
  const name = path.join(folder, `compare-${randomUUID()}`);
  const file = await open(name, 'wx+', 0o600);
  await unlink(name);
  return file;
}

function scratchFull(why: string, cause?: unknown): RahatError {
  return new RahatError('scratch_full', `The rows that differ don't fit into the scratch folder: ${why}`, {
    hint: 'Compare fewer tables, or give the scratch folder more room.',
    cause,
  });
}
