import { SeededRandom } from './seeded-random.js';
import { copyText, type DataVersion } from './copy-text.js';

const PAGE_BYTES = 8192;
const PAGE_HEADER_BYTES = 24;
const FILE_PAGES = 8192;
/** One old page in this many changes as well: a few hundred for a gigabyte. */
const SCATTER = 150;

export interface PageFile {
  name: string;
  pages: Iterable<Buffer>;
}

/**
 * A folder of relation files: 8 KiB pages with a header that holds the position of the last change, filled with rows. On the
 * second day 40 % of the pages among the newest twentieth have changed, some older ones too, and 1 % were added.
 */
export function* pageFiles(sizeBytes: number, seed: number, version: DataVersion): Generator<PageFile> {
  const count = Math.ceil(sizeBytes / PAGE_BYTES);
  const pages = version === 1 ? count : Math.round(count * 1.01);
  const rows = new RowBytes(Math.ceil(count * PAGE_BYTES * 1.2), seed);
  for (let first = 0; first < pages; first += FILE_PAGES) {
    yield {
      name: `base/16384/${24_576 + first / FILE_PAGES}`,
      pages: filePages(rows, first, Math.min(first + FILE_PAGES, pages), count, version),
    };
  }
}

function* filePages(rows: RowBytes, first: number, end: number, oldCount: number, version: DataVersion): Generator<Buffer> {
  const random = new SeededRandom();
  for (let number = first; number < end; number++) {
    const page = Buffer.alloc(PAGE_BYTES);
    const changed = version === 2 && (number > oldCount * 0.95 ? number % 5 < 2 : (number * 7919) % SCATTER === 0);
    // How full a page is stays, else all rows after a changed page would move.
    const free = 200 + random.seed(number).below(600);
    random.seed(number, changed ? 2 : 1);
    page.writeUInt32LE(changed ? 2 : 1, 0);
    page.writeUInt32LE(random.next(), 4);
    page.writeUInt32LE(random.next() & 0xffff, 8);
    // Line pointers at the start, rows at the end, some free room between them.
    for (let at = PAGE_HEADER_BYTES; at < free; at += 4) page.writeUInt32LE((PAGE_BYTES - at * 18) & 0xffff, at);
    rows.fill(page.subarray(free + 100));
    // A changed page keeps most of its rows: one of them is another.
    if (changed) page.write(random.next().toString(16).repeat(12), PAGE_BYTES / 2, 'latin1');
    yield page;
  }
}

/** Consecutive bytes of a row stream, whatever the portions they are asked for in. */
class RowBytes {
  private readonly source: Generator<Buffer>;
  private block: Buffer = Buffer.alloc(0);

  constructor(sizeBytes: number, seed: number) {
    this.source = copyText(sizeBytes, seed, 1);
  }

  fill(target: Buffer): void {
    for (let filled = 0; filled < target.length;) {
      if (this.block.length === 0) this.block = (this.source.next().value as Buffer | undefined) ?? Buffer.alloc(PAGE_BYTES);
      const taken = this.block.copy(target, filled);
      this.block = this.block.subarray(taken);
      filled += taken;
    }
  }
}
