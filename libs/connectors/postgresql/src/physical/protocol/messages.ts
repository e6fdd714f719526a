import { RahatError } from '@rahat/contracts';

/** One message of the PostgreSQL protocol 3.0: its type letter and its body; of a long copy message, one piece of it. */
export interface Message {
  type: string;
  body: Buffer;
  /** A further piece of the copy message that came before. */
  continued: boolean;
}

/** Larger than any message a server sends in these commands; a bigger length means that this is not PostgreSQL. */
const LONGEST_MESSAGE = 1 << 30;
/** Copy messages longer than this are data only; they are handed on as they come, because joining them would copy every byte. */
const WHOLE_UP_TO = 4096;
const HEADER_BYTES = 5;
const COPY_DATA = 0x64;

/**
 * Long copy messages that become one: a server sends 32 KiB in each, and every message by itself costs its way through all who wait
 * for it. `any`, or those whose body begins with this byte, which the joined one has once.
 */
export type Joined = 'any' | number;

/**
 * Cuts a stream of bytes into messages; pulls only when asked, so that back-pressure reaches the server. Bodies are lent until the next
 * message is asked for.
 */
export class MessageReader {
  private rest: Buffer = Buffer.alloc(0);
  private owed = 0;
  /** First byte of the long message that is under way. */
  private kind: number | undefined;

  constructor(private readonly chunks: AsyncIterator<Buffer>) {}

  /** Undefined at the stream's end. */
  async next(joined?: Joined): Promise<Message | undefined> {
    if (this.owed > 0) return (await this.fill(1)) ? this.piece(true, joined) : undefined;
    if (!(await this.fill(HEADER_BYTES))) return undefined;
    const type = String.fromCharCode(this.rest[0] ?? 0);
    const length = this.rest.readUInt32BE(1) - 4;
    if (length < 0 || length > LONGEST_MESSAGE) throw new RahatError('source_unreachable', 'The answer is not of the PostgreSQL protocol');
    const inPieces = type === 'd' && length > WHOLE_UP_TO;
    if (!(await this.fill(HEADER_BYTES + (inPieces ? 1 : length)))) return undefined;
    this.rest = this.rest.subarray(HEADER_BYTES);
    if (inPieces) {
      this.owed = length;
      this.kind = this.rest[0];
      return this.piece(false, joined);
    }
    const body = this.rest.subarray(0, length);
    this.rest = this.rest.subarray(length);
    return { type, body, continued: false };
  }

  private piece(continued: boolean, joined: Joined | undefined): Message {
    const bytes = this.rest;
    let end = Math.min(this.owed, bytes.length);
    let next = end;
    this.owed -= end;
    while (this.owed === 0 && joined !== undefined && (joined === 'any' || joined === this.kind)) {
      const start = next + HEADER_BYTES + (joined === 'any' ? 0 : 1);
      if (start >= bytes.length || bytes[next] !== COPY_DATA || (joined !== 'any' && bytes[start - 1] !== joined)) break;
      const length = next + 1 + bytes.readUInt32BE(next + 1) - start;
      if (length <= WHOLE_UP_TO || length > LONGEST_MESSAGE) break;
      const taken = Math.min(length, bytes.length - start);
      bytes.copyWithin(end, start, start + taken);
      end += taken;
      next = start + taken;
      this.owed = length - taken;
    }
    this.rest = bytes.subarray(next);
    return { type: 'd', body: bytes.subarray(0, end), continued };
  }

  private async fill(size: number): Promise<boolean> {
    while (this.rest.length < size) {
      const begun = Buffer.from(this.rest);
      const { value, done } = await this.chunks.next();
      if (done) return false;
      this.rest = begun.length === 0 ? value : Buffer.concat([begun, value]);
    }
    return true;
  }
}

export function encodeMessage(type: string, ...parts: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  const header = Buffer.alloc(5);
  header.write(type, 'latin1');
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

/** The first message has no type letter. */
export function encodeStartup(parameters: Record<string, string>): Buffer {
  const fields = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`);
  return encodeMessage(' ', Buffer.from([0, 3, 0, 0]), fields.join(''), '\0').subarray(1);
}

/** Asks for TLS before the start-up message (protocol-flow, "SSL Session Encryption"). */
export const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** Null for SQL NULL. */
export type Row = (string | null)[];

export function decodeRow(body: Buffer): Row {
  const row: Row = [];
  let at = 2;
  for (let column = body.readUInt16BE(0); column > 0; column--) {
    const length = body.readInt32BE(at);
    at += 4;
    row.push(length < 0 ? null : body.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return row;
}

export interface ServerNotice {
  /** SQLSTATE. */
  code: string;
  message: string;
}

export function decodeNotice(body: Buffer): ServerNotice {
  const fields = new Map<string, string>();
  for (const field of body.toString('utf8').split('\0')) if (field) fields.set(field.charAt(0), field.slice(1));
  return { code: fields.get('C') ?? '', message: fields.get('M') ?? 'no message' };
}

export function readText(body: Buffer, from: number): { text: string; next: number } {
  const end = body.indexOf(0, from);
  if (end < 0) throw new RahatError('dump_invalid', 'A message of the server is cut off');
  return { text: body.toString('utf8', from, end), next: end + 1 };
}
