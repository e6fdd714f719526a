import type { LogPosition } from '@rahat/contracts';

/** `16/B374D848` as the number that it is. */
export function lsnOf(text: LogPosition['lsn']): bigint {
  const [high, low] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

export function lsnText(lsn: bigint): LogPosition['lsn'] {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();
}
