import { followLink, GENESIS_HASH, type ChainedEntry, type Link, type StoredEntry } from './chain.js';
import { HEAD_EVERY, readSigned, type PublicKeys } from './signed-links.js';

/** The action of the entry that carries the signed mark of a cut. */
export const CUT_ACTION = 'audit.entries_dropped';

export interface TrailVerdict {
  intact: boolean;
  /** How many entries were found in order. */
  entries: number;
  head: Link | null;
  /** The entries up to this one were dropped by the policy, as a signed mark says. */
  droppedThrough: number | null;
  signedHeads: number;
  brokenAt: number | null;
  reason: string | null;
}

export interface TrailCheckOptions {
  organization: string;
  keys: PublicKeys;
  /** Heads that were noted elsewhere: the trail must still contain them. */
  noted?: { sequence?: number; hash: string }[];
  /** Where a part of a trail begins, as its maker says. */
  startsAfter?: Link;
}

/** Checks a trail entry by entry, from its first one on, in bounded memory. It stops at the first fault. */
export class TrailCheck {
  private before: Link | undefined;
  private dropped: Link | undefined;
  private dropProven = false;
  private entries = 0;
  private signedHeads = 0;
  private lastSigned = 0;
  private broken: { at: number; reason: string } | undefined;
  private readonly sought: Map<string, number | undefined>;

  constructor(private readonly options: TrailCheckOptions) {
    this.sought = new Map((options.noted ?? []).map(({ hash, sequence }) => [hash, sequence]));
  }

  /** False: there is no use in going on. */
  async entry(stored: StoredEntry, signedHead?: string | null): Promise<boolean> {
    if (this.broken) return false;
    this.before ??= this.beginning(stored);
    const followed = followLink(stored, this.before, this.options.organization);
    if ('fault' in followed) return this.fault(this.before.sequence + 1, followed.fault);
    this.before = { sequence: stored.sequence, hash: stored.hash };
    this.entries += 1;
    this.sought.delete(stored.hash);
    if (signedHead != null && !(await this.head(signedHead, this.before))) return false;
    if (followed.entry.action === CUT_ACTION) await this.cut(followed.entry);
    return true;
  }

  /** `beyond`: a signed head after the last entry. */
  end(beyond?: number): TrailVerdict {
    if (!this.broken) this.judgeEnd(beyond);
    return {
      intact: this.broken === undefined,
      entries: this.entries,
      head: this.before && this.before.sequence > 0 ? this.before : null,
      droppedThrough: this.dropProven ? this.dropped!.sequence : null,
      signedHeads: this.signedHeads,
      brokenAt: this.broken?.at ?? null,
      reason: this.broken?.reason ?? null,
    };
  }

  private beginning(first: StoredEntry): Link {
    if (this.options.startsAfter) return this.options.startsAfter;
    if (first.sequence <= 1) return { sequence: 0, hash: GENESIS_HASH };
    // Believed until the end: the mark of a cut is an entry behind it.
    this.dropped = { sequence: first.sequence - 1, hash: previousHashIn(first.content) };
    return this.dropped;
  }

  private async head(jws: string, link: Link): Promise<boolean> {
    const signed = await readSigned('head', jws, this.options.keys).catch(() => undefined);
    if (signed === undefined)
      return this.fault(link.sequence, `The signed head at entry ${link.sequence} is not by a key that is trusted.`);
    if (signed.organization !== this.options.organization || signed.sequence !== link.sequence)
      return this.fault(link.sequence, `The signed head at entry ${link.sequence} belongs to another place.`);
    if (signed.hash !== link.hash)
      return this.fault(link.sequence, `Entry ${link.sequence} is not the one that was signed: the trail was rewritten up to there.`);
    this.signedHeads += 1;
    this.lastSigned = link.sequence;
    return true;
  }

  private async cut({ details }: ChainedEntry): Promise<void> {
    if (this.dropped === undefined || typeof details['mark'] !== 'string') return;
    const mark = await readSigned('cut', details['mark'], this.options.keys).catch(() => undefined);
    const proven =
      mark?.organization === this.options.organization && mark.sequence === this.dropped.sequence && mark.hash === this.dropped.hash;
    this.dropProven ||= proven;
  }

  private judgeEnd(beyond: number | undefined): void {
    const last = this.before?.sequence ?? 0;
    if (this.dropped !== undefined && !this.dropProven)
      this.fault(1, `The entries 1 to ${this.dropped.sequence} are missing, and no signed mark says that they were dropped.`);
    else if (beyond !== undefined && beyond > last)
      this.fault(last + 1, `The end of the trail was cut off: entry ${beyond} was signed and is no longer there.`);
    else if (last - Math.max(this.lastSigned, (this.options.startsAfter ?? this.dropped)?.sequence ?? 0) >= HEAD_EVERY)
      this.fault(this.lastSigned + 1, `The entries after ${this.lastSigned} are not signed as they would be: they were replaced.`);
    else this.judgeNoted(last);
  }

  private judgeNoted(last: number): void {
    for (const [hash, sequence] of this.sought) {
      // What the policy dropped can't be looked for any more, but for the last of it.
      const gone = this.dropped !== undefined && sequence !== undefined && sequence <= this.dropped.sequence;
      if (gone && (sequence < this.dropped!.sequence || hash === this.dropped!.hash)) continue;
      this.fault(
        sequence === undefined ? last + 1 : Math.min(sequence, last + 1),
        'The entry with the noted head is no longer there: the end of the trail was cut off or replaced.',
      );
      return;
    }
  }

  private fault(at: number, reason: string): false {
    this.broken ??= { at, reason };
    return false;
  }
}

function previousHashIn(content: string): string {
  try {
    return String((JSON.parse(content) as { previousHash?: unknown }).previousHash);
  } catch {
    return GENESIS_HASH;
  }
}
