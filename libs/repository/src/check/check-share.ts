import { RahatError } from '@rahat/contracts';

/**
 * One of `of` parts of the packs. A pack belongs to the part that its hash says, which is as good as drawn by lot and never
 * changes: every byte has the same chance, and who goes through all parts has read every pack.
 */
export interface CheckShare {
  /** From 1. */
  part: number;
  of: number;
}

const MAX_PARTS = 10_000;
/** 48 bits, exact in a double. */
const LOT_DIGITS = 12;

/** Rejects with `invalid_input` what is no share. */
export function assertShare({ part, of }: CheckShare): void {
  const whole = Number.isInteger(part) && Number.isInteger(of);
  if (whole && of >= 1 && of <= MAX_PARTS && part >= 1 && part <= of) return;
  throw new RahatError('invalid_input', `There is no part ${part} of ${of} of the packs.`, {
    hint: `Give a part from 1 to the number of parts, of which there are at most ${MAX_PARTS}.`,
  });
}

export function belongsToShare(packHash: string, { part, of }: CheckShare): boolean {
  return Number.parseInt(packHash.slice(0, LOT_DIGITS), 16) % of === part - 1;
}
