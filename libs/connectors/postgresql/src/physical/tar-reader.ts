import { RahatError } from '@rahat/contracts';

export interface TarEntry {
  path: Buffer;
  type: 'file' | 'folder' | 'link';
  mode: number;
  /** Seconds since 1970. */
  modifiedAt: number;
  sizeBytes: number;
  body: AsyncIterable<Buffer>;
}

const BLOCK = 512;

/**
 * Reads the tar archives that a PostgreSQL server sends (ustar, without extensions), strictly by pull: nothing is read from
 * the server before the consumer of an entry's body asks. Pieces are lent. The server leaves out the two empty blocks of a tar's end.
 */
export async function* tarEntries(chunks: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const input = new ByteReader(chunks[Symbol.asyncIterator]());
  for (;;) {
    const header = await input.block();
    if (!header) return;
    if (header.every((byte) => byte === 0)) continue;
    const entry = parseHeader(header);
    let left = entry.sizeBytes;
    const body = (async function* () {
      while (left > 0) {
        const chunk = await input.some(left);
        left -= chunk.length;
        yield chunk;
      }
    })();
    yield { ...entry, body };
    if (left > 0) throw new RahatError('dump_invalid', `The file ${entry.path.toString()} was not read to its end`);
    await input.skip((BLOCK - (entry.sizeBytes % BLOCK)) % BLOCK);
  }
}

function parseHeader(header: Buffer): Omit<TarEntry, 'body'> {
  const unsigned = header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (unsigned !== number(header, 148, 8) || header.toString('latin1', 257, 262) !== 'ustar') {
    throw new RahatError('dump_invalid', 'A header of the server’s archive is damaged');
  }
  const prefix = text(header, 345, 155);
  const name = text(header, 0, 100);
  const whole = prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : name;
  // `./pg_wal/archive_status` is sent as such; all else without the dot. Folders may end with a slash.
  const relative = whole.toString('latin1', 0, 2) === './' ? whole.subarray(2) : whole;
  const path = relative.at(-1) === 0x2f ? relative.subarray(0, -1) : relative;
  const type = typeOf(String.fromCharCode(header[156] ?? 0), path);
  const sizeBytes = type === 'file' ? number(header, 124, 12) : 0;
  return { path, type, mode: number(header, 100, 8) & 0o7777, modifiedAt: number(header, 136, 12), sizeBytes };
}

function typeOf(flag: string, path: Buffer): TarEntry['type'] {
  if (flag === '0' || flag === '\0') return 'file';
  if (flag === '5') return 'folder';
  if (flag === '2') return 'link';
  throw new RahatError('dump_invalid', `The server’s archive holds an entry of unknown type "${flag}": ${path.toString()}`);
}

function text(header: Buffer, from: number, length: number): Buffer {
  const field = header.subarray(from, from + length);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end));
}

/** Octal text, or base-256 (first bit set) for what is too large for it. */
function number(header: Buffer, from: number, length: number): number {
  const first = header[from] ?? 0;
  if (!(first & 0x80)) return parseInt(text(header, from, length).toString('latin1').trim() || '0', 8);
  let value = first & 0x7f;
  for (let at = from + 1; at < from + length; at++) value = value * 256 + (header[at] ?? 0);
  return value;
}

class ByteReader {
  private rest: Buffer = Buffer.alloc(0);

  constructor(private readonly chunks: AsyncIterator<Buffer>) {}

  async block(): Promise<Buffer | undefined> {
    while (this.rest.length < BLOCK) {
      const begun = Buffer.from(this.rest);
      const { value, done } = await this.chunks.next();
      if (done && begun.length === 0) return undefined;
      if (done) throw truncated();
      this.rest = begun.length === 0 ? value : Buffer.concat([begun, value]);
    }
    return this.cut(BLOCK);
  }

  /** At least one byte and at most this many. */
  async some(limit: number): Promise<Buffer> {
    while (this.rest.length === 0) {
      const { value, done } = await this.chunks.next();
      if (done) throw truncated();
      this.rest = value;
    }
    return this.cut(limit);
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0;) left -= (await this.some(left)).length;
  }

  private cut(limit: number): Buffer {
    const taken = this.rest.subarray(0, limit);
    this.rest = this.rest.subarray(taken.length);
    return taken;
  }
}

function truncated(): RahatError {
  return new RahatError('dump_truncated', 'The archive of the base backup ends in the middle of a file');
}
