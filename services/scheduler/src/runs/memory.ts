import type { Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { SchedulerConfig } from '../config.js';

const BEATS_MISSED = 3;
const SHORTEST_GAP_MS = 10_000;

/**
 * Until when the database has gaps. Every tick beats; a database that was restored from a copy, or whose scheduler was away, shows a
 * beat that is older than it can be. What workers did in between nobody here has heard, so nothing may be concluded from silence.
 */
export class Memory {
  private readonly gapMs: number;

  constructor(
    config: Pick<SchedulerConfig, 'RAHAT_SCHEDULER_TICK_SECONDS'>,
    private readonly clock: Clock,
  ) {
    this.gapMs = Math.max(SHORTEST_GAP_MS, BEATS_MISSED * config.RAHAT_SCHEDULER_TICK_SECONDS * 1000);
  }

  async beat(transaction: Transaction): Promise<void> {
    const now = this.clock.now();
    await transaction.query(
      `INSERT INTO memory (beat_at, forgotten_until) VALUES ($1, $1) ON CONFLICT (one) DO UPDATE
         SET forgotten_until = CASE WHEN memory.beat_at < $2 THEN $1 ELSE memory.forgotten_until END, beat_at = $1`,
      [now, this.lastGoodBeat(now)],
    );
  }

  /** What happened before this moment may be forgotten; a gap that no beat has ended yet counts as well. */
  async forgottenUntil(transaction: Transaction): Promise<Date> {
    const now = this.clock.now();
    const [row] = await transaction.query<{ beat_at: Date; forgotten_until: Date }>(`SELECT beat_at, forgotten_until FROM memory`);
    return !row || row.beat_at < this.lastGoodBeat(now) ? now : row.forgotten_until;
  }

  private lastGoodBeat(now: Date): Date {
    return new Date(now.getTime() - this.gapMs);
  }
}
