import { RahatError } from '@rahat/contracts';
import { INT_SIZE, TocScanner, type Toc, type TocEntry } from './archive-toc.js';
import { RowKernel, type RowSum } from './row-kernel.js';

/** Body pieces are gathered to this size, so that what consumes them isn't called once per row. */
const PIECE_BYTES = 256 * 1024;
const DATA_BLOCK = 1;
const LARGE_OBJECTS_BLOCK = 3;

export type ArchiveBlock = { kind: 'rows'; entry: TocEntry } | { kind: 'large objects'; entry: TocEntry };

/**
 * Reads a custom archive of pg_dump while it is written: table of contents first, then block after block, each to be read to
 * its end before the next is asked for. Any end that is not between two blocks is `dump_truncated`.
 */
export class ArchiveReader {
  readonly #kernel = new RowKernel();
  readonly #entries: Map<number, TocEntry>;
  readonly #seen = new Set<number>();
  #chunk: Buffer;
  #position = 0;

  private constructor(
    readonly toc: Toc,
    readonly rawToc: Buffer,
    rest: Buffer,
    private readonly source: AsyncIterator<Buffer>,
  ) {
    this.#entries = new Map(toc.entries.map((entry) => [entry.dumpId, entry]));
    this.#chunk = rest;
  }

  static async open(stream: AsyncIterable<Buffer>): Promise<ArchiveReader> {
    const source = stream[Symbol.asyncIterator]();
    const scanner = new TocScanner();
    for (let bytes = 0; ;) {
      const next = await source.next();
      if (next.done) throw truncated(bytes === 0 ? 'it is empty' : `it ends after ${bytes} bytes, inside its table of contents`);
      bytes += next.value.length;
      const toc = scanner.push(next.value);
      if (toc) return new ArchiveReader(toc, scanner.raw, scanner.rest, source);
    }
  }

  /** `undefined` at the end of the archive; throws when a block that the table of contents promised did not come. */
  async nextBlock(): Promise<ArchiveBlock | undefined> {
    if (!(await this.#fill())) {
      const missing = this.missingEntries();
      if (missing.length === 0) return undefined;
      throw truncated(`the data of ${missing.length} objects is missing, first ${describe(missing[0])}`);
    }
    const type = await this.#byte();
    const entry = this.#entries.get(await this.#int());
    if (!entry || this.#seen.has(entry.dumpId) || (type !== DATA_BLOCK && type !== LARGE_OBJECTS_BLOCK)) {
      throw new RahatError('dump_invalid', 'The output of pg_dump holds a block that its table of contents does not name');
    }
    return { kind: type === DATA_BLOCK ? 'rows' : 'large objects', entry };
  }

  missingEntries(): TocEntry[] {
    return this.toc.entries.filter((entry) => entry.hasData && !this.#seen.has(entry.dumpId));
  }

  get blocksRead(): number {
    return this.#seen.size;
  }

  /** The rows of a table as COPY text, out of their frames. Each piece is valid until the next is asked for. */
  async *rows(entry: TocEntry): AsyncGenerator<Buffer> {
    this.#kernel.reset();
    yield* this.#unframed(entry, true);
    if (!this.#kernel.endMarkSeen) throw truncated(`the rows of ${describe(entry)} have no end mark`);
    this.#seen.add(entry.dumpId);
  }

  /** Rows and hash of the table or large objects read last. */
  sum(): RowSum {
    return this.#kernel.sum();
  }

  /** Starts a new sum of large objects. */
  resetSum(): void {
    this.#kernel.reset();
  }

  /** The next large object of this block, `undefined` after the last. */
  async nextLargeObject(entry: TocEntry): Promise<number | undefined> {
    const oid = await this.#int();
    if (oid !== 0) return oid;
    this.#seen.add(entry.dumpId);
    return undefined;
  }

  async *largeObject(entry: TocEntry, oid: number): AsyncGenerator<Buffer> {
    this.#kernel.startEntry();
    this.#kernel.openItem();
    this.#kernel.absorbItem(oidBytes(oid));
    yield* this.#unframed(entry, false);
    this.#kernel.finishItem();
  }

  async *#unframed(entry: TocEntry, asRows: boolean): AsyncGenerator<Buffer> {
    const kernel = this.#kernel;
    while (!kernel.entryEnded) {
      if (!(await this.#fill())) throw truncated(`it ends inside the data of ${describe(entry)}`);
      this.#position += kernel.unframe(this.#chunk, this.#position, asRows);
      if (kernel.outputLength >= PIECE_BYTES) yield kernel.takeOutput();
    }
    if (kernel.outputLength > 0) yield kernel.takeOutput();
  }

  async #byte(): Promise<number> {
    if (!(await this.#fill())) throw truncated('it ends inside a block header');
    return this.#chunk[this.#position++] as number;
  }

  async #int(): Promise<number> {
    const sign = await this.#byte();
    let value = 0;
    for (let index = 0; index < INT_SIZE; index++) value += (await this.#byte()) * 2 ** (8 * index);
    return sign === 0 ? value : -value;
  }

  async #fill(): Promise<boolean> {
    while (this.#position >= this.#chunk.length) {
      const next = await this.source.next();
      if (next.done) return false;
      this.#chunk = next.value;
      this.#position = 0;
    }
    return true;
  }
}

/** A large object's item is its number, four bytes little-endian, and its content. */
export function oidBytes(oid: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(oid);
  return bytes;
}

function describe(entry: TocEntry | undefined): string {
  return entry ? `${entry.description} ${entry.namespace === '' ? '' : `${entry.namespace}.`}${entry.tag}` : 'unknown';
}

function truncated(reason: string): RahatError {
  return new RahatError('dump_truncated', `The dump is not complete: ${reason}`, {
    hint: 'Look at the messages of pg_dump and at the log of the database server for the same moment, then run the backup again.',
  });
}
