import { RahatError } from '@rahat/contracts';
import type { Keyring, PrintedGroup } from '@rahat/repository';

/** A sheet of paper: a recovery key, or one share of one. */
export interface KitSheet {
  repository: KitRepository;
  madeAt: Date;
  /** Id of the keyslot that it opens, by which it can be withdrawn. */
  slot: string;
  key: { type: 'recovery'; groups: PrintedGroup[] } | ShareKey;
}

export interface KitRepository {
  /** Hex of its id. */
  id: string;
  /** What its owners call it, where it has a name. */
  name?: string;
  /** Folder or address (`repositoryPlace`). */
  place: string;
}

export interface ShareKey {
  type: 'share';
  groups: PrintedGroup[];
  /** From 1. */
  number: number;
  count: number;
  threshold: number;
  holder?: string;
}

/** One sheet with a recovery key, or a sheet for each holder of a share. */
export interface KitOrder {
  name?: string;
  place: string;
  madeAt: Date;
  shares?: { threshold: number; count: number; holders?: string[] };
}

/**
 * Makes a new way into the repository and its sheets, and gives these to `keep`, which prints or stores them. Where that fails the way
 * in is taken back: a key that nobody holds must not look like one. Throws `invalid_input`.
 */
export async function makeRecoveryKit(
  keys: Keyring,
  order: KitOrder,
  keep: (sheets: KitSheet[]) => Promise<void>,
): Promise<{ slot: string }> {
  const { place, name, madeAt, shares } = order;
  if (shares?.holders && shares.holders.length !== shares.count)
    throw new RahatError('invalid_input', `${shares.count} shares need as many holders, and ${shares.holders.length} were named.`);
  for (const text of [place, name, ...(shares?.holders ?? [])]) refuseUnprintable(text);
  const label = `recovery kit of ${day(madeAt)}`;
  const { id: slot, handout } = await keys.add(shares ? { type: 'shares', label, ...shares } : { type: 'recovery', label });
  const head = { repository: { id: keys.repository, place, ...(name === undefined ? {} : { name }) }, madeAt, slot };
  const sheets: KitSheet[] = [];
  if (handout.type === 'recovery') sheets.push({ ...head, key: { type: 'recovery', groups: handout.key } });
  if (handout.type === 'shares' && shares) {
    const { threshold, count, holders } = shares;
    handout.shares.forEach((groups, i) =>
      sheets.push({ ...head, key: { type: 'share', groups, number: i + 1, count, threshold, holder: holders?.[i] } }),
    );
  }
  try {
    await keep(sheets);
    return { slot };
  } catch (error) {
    await keys.remove(slot);
    throw error;
  }
}

/** A line break in a name could make a page say something else. */
function refuseUnprintable(text: string | undefined): void {
  if (text === undefined || !/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(text)) return;
  throw new RahatError('invalid_input', 'A place or a name with control characters cannot be printed.');
}

/** `2026-11-24`, UTC. */
export function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
