import { isUtf8 } from 'node:buffer';
import { RahatError } from '@rahat/contracts';

type Range = readonly [start: number, end: number];

/** Where pg_restore runs an entry (pg_backup.h, teSection). */
export const SECTION = { none: 1, preData: 2, data: 3, postData: 4 } as const;
export type Section = (typeof SECTION)[keyof typeof SECTION];

/** Where an entry's texts lie in the table of contents. */
interface EntryRanges {
  entry: Range;
  definition: Range;
  drop: Range;
  copy: Range;
}

interface EntryFields {
  dumpId: number;
  oid: number;
  section: Section;
  hasData: boolean;
  tag: string;
  description: string;
  namespace: string;
  owner: string;
  dependencies: number[];
}

/** One line of the archive's table of contents (pg_backup_archiver.c, WriteToc). There may be hundreds of thousands: texts stay where they came. */
export class TocEntry {
  readonly dumpId: number;
  /** Number of the object in the source's catalog; that of its table for rows. 0 = it has none. */
  readonly oid: number;
  readonly section: Section;
  /** The archive holds a data block for it. */
  readonly hasData: boolean;
  readonly tag: string;
  readonly description: string;
  readonly namespace: string;
  readonly owner: string;
  readonly dependencies: readonly number[];

  constructor(
    fields: EntryFields,
    /** Where the table of contents lies; a buffer that grows is replaced, so positions are kept instead of views. */
    private readonly toc: { bytes: Buffer },
    private readonly ranges: EntryRanges,
  ) {
    this.dumpId = fields.dumpId;
    this.oid = fields.oid;
    this.section = fields.section;
    this.hasData = fields.hasData;
    this.tag = fields.tag;
    this.description = fields.description;
    this.namespace = fields.namespace;
    this.owner = fields.owner;
    this.dependencies = fields.dependencies;
  }

  /** The entry as it stands in the archive. */
  get raw(): Buffer {
    return this.toc.bytes.subarray(...this.ranges.entry);
  }

  /** SQL that makes the object; bytes in the database's encoding. */
  get definition(): Buffer {
    return this.toc.bytes.subarray(...this.ranges.definition);
  }

  /** SQL that removes the object. */
  get dropStatement(): Buffer {
    return this.toc.bytes.subarray(...this.ranges.drop);
  }

  /** `COPY … FROM stdin;` of table data; bytes in the database's encoding. */
  get copyStatement(): Buffer {
    return this.toc.bytes.subarray(...this.ranges.copy);
  }

  get hasCopyStatement(): boolean {
    return this.ranges.copy[1] > this.ranges.copy[0];
  }
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
const MAGIC = 'PGDMP';
export const INT_SIZE = 4;

const INCOMPLETE = Symbol('incomplete');

/** Reads a table of contents that arrives in pieces, and tells where it ended. */
export class TocScanner {
  readonly #held: { bytes: Buffer };
  #length = 0;
  #position = 0;
  #offsetSize = 8;
  #format = 0;
  #prelude: Omit<Toc, 'entries'> | undefined;
  #expected = 0;
  readonly #entries: TocEntry[] = [];
  readonly #texts = new Map<string, string>();

  constructor(expectedBytes = 0) {
    this.#held = { bytes: Buffer.allocUnsafeSlow(expectedBytes) };
  }

  /** Takes the next piece; gives the table of contents when it is whole. */
  push(chunk: Uint8Array): Toc | undefined {
    if (this.#length + chunk.length > this.#held.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(64 * 1024, this.#held.bytes.length * 2, this.#length + chunk.length));
      this.#held.bytes.copy(larger, 0, 0, this.#length);
      this.#held.bytes = larger;
    }
    this.#held.bytes.set(chunk, this.#length);
    this.#length += chunk.length;
    return this.#scan();
  }

  /** Bytes that came after the end. */
  get rest(): Buffer {
    return this.#held.bytes.subarray(this.#position, this.#length);
  }

  /** The table of contents as it came. */
  get raw(): Buffer {
    return this.#held.bytes.subarray(0, this.#position);
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
    this.#advance(MAGIC.length);
    if (this.#held.bytes.toString('latin1', start, this.#position) !== MAGIC) throw invalid('it does not begin with PGDMP');
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
    const prelude = Buffer.from(this.#held.bytes.subarray(start, this.#position));
    this.#expected = this.#int();
    return { archiveVersion: `${major}.${minor}`, databaseName, serverVersion, dumpVersion, prelude };
  }

  #readEntry(): TocEntry {
    const start = this.#position;
    const dumpId = this.#int();
    const hasData = this.#int() !== 0;
    this.#skip();
    const [oidAt, oidEnd] = this.#skip();
    const oid = Number(this.#held.bytes.toString('latin1', oidAt, oidEnd));
    const tag = this.#string();
    const description = this.#string();
    const section = this.#int() as Section;
    const definition = this.#skip();
    const drop = this.#skip();
    const copy = this.#skip();
    const namespace = this.#string();
    this.#skip();
    this.#skip();
    if (this.#format >= 116) this.#int();
    const owner = this.#string();
    this.#skip();
    const dependencies: number[] = [];
    for (let text = this.#string(); text !== ''; text = this.#string()) dependencies.push(Number(text));
    this.#advance(1 + this.#offsetSize);
    return new TocEntry({ dumpId, oid, section, hasData, tag, description, namespace, owner, dependencies }, this.#held, {
      entry: [start, this.#position],
      definition,
      drop,
      copy,
    });
  }

  #advance(length: number): void {
    if (this.#position + length > this.#length) throw INCOMPLETE;
    this.#position += length;
  }

  #byte(): number {
    this.#advance(1);
    return this.#held.bytes[this.#position - 1] as number;
  }

  #int(): number {
    this.#advance(1 + INT_SIZE);
    const value = this.#held.bytes.readUInt32LE(this.#position - INT_SIZE);
    return this.#held.bytes[this.#position - INT_SIZE - 1] === 0 ? value : -value;
  }

  /** Passes over a text; gives where it lies. */
  #skip(): Range {
    const length = this.#int();
    if (length > 0) this.#advance(length);
    return [this.#position - Math.max(length, 0), this.#position];
  }

  // Names are in the database's encoding. What is not UTF-8 is read byte for byte, which keeps different names different.
  #string(): string {
    const [start, end] = this.#skip();
    if (start === end) return '';
    const bytes = this.#held.bytes.subarray(start, end);
    const text = isUtf8(bytes) ? bytes.toString('utf8') : bytes.toString('latin1');
    // Names come again and again; one copy of each is enough.
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    this.#texts.set(text, text);
    return text;
  }
}

function invalid(reason: string): RahatError {
  return new RahatError('dump_invalid', `The output of pg_dump can't be understood: ${reason}`, {
    hint: 'Use the pg_dump that belongs to the server; no option or wrapper may change its output.',
  });
}
