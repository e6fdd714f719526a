import { InvalidArgumentError } from '@commander-js/extra-typings';
import { LockWaitSeconds } from '@rahat/contracts';

/** For options that may be given several times. */
export function collected(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('A whole number is needed.');
  return Number(text);
}

export function lockWait(text: string): number {
  const { success, data } = LockWaitSeconds.safeParse(wholeNumber(text));
  if (!success) throw new InvalidArgumentError('1 to 600 seconds are possible.');
  return data;
}

/** `500GB`; units of a thousand, as sizes are shown. */
export function byteSize(text: string): number {
  const [, number, unit] = /^(\d{1,6}(?:\.\d{1,3})?) ?([KMGT]?)B?$/i.exec(text) ?? [];
  const value = Math.round(Number(number) * 1000 ** ' KMGT'.indexOf(unit?.toUpperCase() || ' '));
  if (!(value > 0)) throw new InvalidArgumentError('A size is needed, for example 500GB.');
  return value;
}

/** What takes a limit away; a word to the end, because Commander makes an empty text of a null. */
export type OrNone = number | 'none';

export function orNone(parse: (text: string) => number): (text: string) => OrNone {
  return (text) => (text === 'none' ? text : parse(text));
}
