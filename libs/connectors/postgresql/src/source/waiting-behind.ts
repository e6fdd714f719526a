export interface Waiter {
  pid: number;
  /** Who holds what it waits for, or stands in the queue before it. */
  blockers: number[];
  /** Where the server tells it (PostgreSQL 14). */
  waitedSeconds: number | null;
}

export interface WaitingBehind {
  /** Sessions that wait for us, directly or behind one that does. */
  behindUs: number;
  /** Waiting sessions that we keep from nothing. */
  others: number;
  /** The longest that one waits directly for a lock of ours; undefined = nobody does. */
  longestSeconds: number | undefined;
}

/** Tells who waits for us, and since when: by the server's clock, or by when it was first seen. */
export class BlockedSessions {
  private firstSeenMs = new Map<number, number>();

  see(waiters: readonly Waiter[], ours: ReadonlySet<number>, nowMs: number): WaitingBehind {
    const waiting = waiters.filter(({ pid }) => !ours.has(pid));
    const direct = waiting.filter(({ blockers }) => blockers.some((pid) => ours.has(pid)));
    this.firstSeenMs = new Map(direct.map(({ pid }) => [pid, this.firstSeenMs.get(pid) ?? nowMs]));
    const waited = direct.map(({ pid, waitedSeconds }) => waitedSeconds ?? (nowMs - this.firstSeenMs.get(pid)!) / 1000);
    const behindUs = reachedFrom(new Set(direct.map(({ pid }) => pid)), waiting);
    return { behindUs, others: waiting.length - behindUs, longestSeconds: waited.length === 0 ? undefined : Math.max(...waited) };
  }
}

/** Who queues behind a session that waits for us waits for us, too. */
function reachedFrom(reached: Set<number>, waiting: readonly Waiter[]): number {
  for (let before = -1; before !== reached.size;) {
    before = reached.size;
    for (const { pid, blockers } of waiting) if (blockers.some((blocker) => reached.has(blocker))) reached.add(pid);
  }
  return reached.size;
}
