import type { Transaction } from '@rahat/persistence';
import type { DropSlots } from './drop-slots.js';
import type { KeepStreams } from './keep-streams.js';
import type { LogRemovals } from './log-removals.js';
import type { RequestBases } from './request-bases.js';

/** What the scheduler's pulse does for logs. */
export class LogTick {
  constructor(private readonly parts: { streams: KeepStreams; bases: RequestBases; removals: LogRemovals; slots: DropSlots }) {}

  keep(transaction: Transaction): Promise<void> {
    return this.parts.streams.keep(transaction);
  }

  requestBases(transaction: Transaction): Promise<void> {
    return this.parts.bases.request(transaction);
  }

  removeUnneeded(transaction: Transaction): Promise<void> {
    return this.parts.removals.look(transaction);
  }

  /** Waits for workers' answers. */
  dropSlots(): Promise<void> {
    return this.parts.slots.dropDue();
  }
}
