import { lsnText, RahatError } from '@rahat/contracts';

/** xlog_internal.h: XLogLongPageHeaderData, with which each segment begins. */
export const SEGMENT_HEADER_BYTES = 40;
/** The high byte of XLOG_PAGE_MAGIC in each version since PostgreSQL 9.3; the low one goes up with the format. */
const MAGIC_HIGH = 0xd1;
const HAS_LONG_HEADER = 0x02;

/** What a segment must say of itself. */
export interface ExpectedSegment {
  name: string;
  start: bigint;
  sizeBytes: number;
  /** On which its first page was written: the former one where a timeline begins behind it. */
  timeline: number;
  /** The system identifier of the stream's server. */
  identity: string;
}

/** Refuses what isn't this segment of this server's log. */
export function assertSegmentHeader(header: Buffer, expected: ExpectedSegment): void {
  const { name } = expected;
  // The server writes in the byte order of its machine.
  const little = header[1] === MAGIC_HIGH;
  if (!little && header[0] !== MAGIC_HIGH) throw damaged(`${name} does not begin like a segment of PostgreSQL's log`);
  const read16 = (at: number) => (little ? header.readUInt16LE(at) : header.readUInt16BE(at));
  const read32 = (at: number) => (little ? header.readUInt32LE(at) : header.readUInt32BE(at));
  const read64 = (at: number) => (little ? header.readBigUInt64LE(at) : header.readBigUInt64BE(at));
  if ((read16(2) & HAS_LONG_HEADER) === 0) throw damaged(`The first page of ${name} is not that of a segment`);
  const system = read64(24).toString();
  if (system !== expected.identity)
    throw new RahatError('log_segment_foreign', `${name} is of the system ${system}; the log that is kept here is of ${expected.identity}`);
  const address = read64(8);
  if (address !== expected.start) throw damaged(`${name} holds the log from ${lsnText(address)} on, not from ${lsnText(expected.start)}`);
  if (read32(32) !== expected.sizeBytes) throw damaged(`${name} has ${expected.sizeBytes} bytes, and its segments have ${read32(32)}`);
  const timeline = read32(4);
  if (timeline !== expected.timeline)
    throw damaged(`${name} begins on timeline ${timeline}; by its name and history it would on ${expected.timeline}`);
}

export function damaged(message: string): RahatError {
  return new RahatError('log_segment_damaged', message);
}
