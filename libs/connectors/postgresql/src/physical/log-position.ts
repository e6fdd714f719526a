import { RahatError } from '@rahat/contracts';

/** A position in the write-ahead log (LSN) as a number of bytes since its beginning. */
export function parseLogPosition(text: string): bigint {
  const parts = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text);
  if (!parts) throw new RahatError('dump_invalid', `"${text}" is not a position of a write-ahead log`);
  return (BigInt(`0x${parts[1]}`) << 32n) | BigInt(`0x${parts[2]}`);
}

/** A log segment's file name tells its timeline and, with the segment size, its first position. */
export function parseSegmentName(name: string, segmentSize: number): { timeline: number; start: bigint } | undefined {
  const parts = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$/.exec(name);
  if (!parts) return undefined;
  return {
    timeline: parseInt(parts[1] ?? '', 16),
    start: (BigInt(`0x${parts[2]}`) << 32n) + BigInt(`0x${parts[3]}`) * BigInt(segmentSize),
  };
}
