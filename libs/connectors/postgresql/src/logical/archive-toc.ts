import { isUtf8 } from 'node:buffer';
import { RahatError } from '@rahat/contracts';

/** One line of the archive's table of contents (pg_backup_archiver.c, WriteToc). */
export interface TocEntry {
  dumpId: number;
  /** The archive holds a data block for it. */
  hasData: boolean;
  tag: string;
  description: string;
  /** SQL that makes the object; bytes in the database's encoding. */
  definition: Buffer;
  /** `COPY … FROM stdin;` of table data; bytes in the database's encoding. */
  copyStatement: Buffer;
  namespace: string;
  owner: string;
  dependencies: number[];
  /** The entry as it stands in the archive. */
  raw: Buffer;
}

export interface Toc {
  /** e.g. `1.14`. */
  archiveVersion: string;
  databaseName: string;
  serverVersion: string;
  dumpVersion: string;
  /** All bytes before the entry count. */
  prelude: Buffer;
  entries: TocEntry[];
}

// Archive formats of pg_dump 13 to 18: 1.14 (12–15), 1.15 (16), 1.16 (17, 18).
const OLDEST_FORMAT = 114;
const NEWEST_FORMAT = 116;
const CUSTOM_FORMAT = 1;
export const INT_SIZE = 4;

const INCOMPLETE = Symbol('incomplete');

/** Reads a table of contents that arrives in pieces, and tells where it ended. */
export class TocScanner {
  #buffer = Buffer.alloc(0);
  #length = 0;
  #position = 0;
  #offsetSize = 8;
  #format = 0;
  #prelude: Omit<Toc, 'entries'> | undefined;
  #expected = 0;
  readonly #entries: TocEntry[] = [];

  /** Takes the next piece; gives the table of contents when it is whole. */
  push(chunk: Uint8Array): Toc | undefined {
    if (this.#length + chunk.length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(64 * 1024, this.#buffer.length * 2, this.#length + chunk.length));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length += chunk.length;
    return this.#scan();
  }

  /** Bytes that came after the end. */
  get rest(): Buffer {
    return this.#buffer.subarray(this.#position, this.#length);
  }

  /** The table of contents as it came. */
  get raw(): Buffer {
    return this.#buffer.subarray(0, this.#position);
  }

  #scan(): Toc | undefined {
    let whole = this.#position;
    try {
      if (!this.#prelude) {
        this.#prelude = this.#readPrelude();
        whole = this.#position;
      }
      while (this.#entries.length < this.#expected) {
        this.#entries.push(this.#readEntry());
        whole = this.#position;
      }
    } catch (error) {
      this.#position = whole;
      if (error === INCOMPLETE) return undefined;
      throw error;
    }
    return { ...this.#prelude, entries: this.#entries };
  }

  #readPrelude(): Omit<Toc, 'entries'> {
    const start = this.#position;
    if (this.#take(5).toString('latin1') !== 'PGDMP') throw invalid('it does not begin with PGDMP');
    const [major, minor] = [this.#byte(), this.#byte()];
    this.#byte();
    this.#format = major * 100 + minor;
    if (this.#format < OLDEST_FORMAT || this.#format > NEWEST_FORMAT) throw invalid(`its format ${major}.${minor} is not known`);
    const intSize = this.#byte();
    this.#offsetSize = this.#byte();
    if (intSize !== INT_SIZE || this.#byte() !== CUSTOM_FORMAT) throw invalid('it is not a custom archive of a 64-bit pg_dump');
    const compression = this.#format >= 115 ? this.#byte() : this.#int();
    if (compression !== 0) throw invalid('its data is compressed');
    for (let field = 0; field < 7; field++) this.#int();
    const [databaseName, serverVersion, dumpVersion] = [this.#string(), this.#string(), this.#string()];
    const prelude = Buffer.from(this.#buffer.subarray(start, this.#position));
    this.#expected = this.#int();
    return { archiveVersion: `${major}.${minor}`, databaseName, serverVersion, dumpVersion, prelude };
  }

  #readEntry(): TocEntry {
    const start = this.#position;
    const dumpId = this.#int();
    const hasData = this.#int() !== 0;
    this.#bytes();
    this.#bytes();
    const tag = this.#string();
    const description = this.#string();
    this.#int();
    const definition = this.#bytes();
    this.#bytes();
    const copyStatement = this.#bytes();
    const namespace = this.#string();
    this.#bytes();
    this.#bytes();
    if (this.#format >= 116) this.#int();
    const owner = this.#string();
    this.#bytes();
    const dependencies: number[] = [];
    for (let text = this.#bytes(); text.length > 0; text = this.#bytes()) dependencies.push(Number(text.toString('latin1')));
    this.#take(1 + this.#offsetSize);
    // The buffer is only ever replaced, never written over, so that views on it stay good.
    return { dumpId, hasData, tag, description, definition, copyStatement, namespace, owner, dependencies, raw: this.#buffer.subarray(start, this.#position) };
  }

  #take(length: number): Buffer {
    if (this.#position + length > this.#length) throw INCOMPLETE;
    this.#position += length;
    return this.#buffer.subarray(this.#position - length, this.#position);
  }

  #byte(): number {
    return this.#take(1).readUInt8();
  }

  #int(): number {
    const bytes = this.#take(1 + INT_SIZE);
    const value = bytes.readUInt32LE(1);
    return bytes[0] === 0 ? value : -value;
  }

  #bytes(): Buffer {
    const length = this.#int();
    return length <= 0 ? Buffer.alloc(0) : this.#take(length);
  }

  // Names are in the database's encoding. What is not UTF-8 is read byte for byte, which keeps different names different.
  #string(): string {
    const bytes = this.#bytes();
    return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
  }
}

function invalid(reason: string): RahatError {
  return new RahatError('dump_invalid', `The output of pg_dump can't be understood: ${reason}`, {
    hint: 'Use the pg_dump that belongs to the server; no option or wrapper may change its output.',
  });
}
