import type { Messaging, Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { SchedulerConfig } from '../config.js';
import type { RunLedger } from '../runs/run-ledger.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import type { WorkerQuestions } from '../servers/worker-questions.js';
import { DropSlots } from './drop-slots.js';
import { KeepStreams } from './keep-streams.js';
import type { LogRemovals } from './log-removals.js';
import { RequestBases } from './request-bases.js';

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

interface Means {
  database: ServiceDatabase;
  outbox: Outbox;
  messaging: Messaging;
  ledger: RunLedger;
  questions: WorkerQuestions;
  secrets: ServerSecrets;
  config: SchedulerConfig;
  clock: Clock;
}

export function logTick({ database, outbox, messaging, ledger, questions, secrets, config, clock }: Means, removals: LogRemovals): LogTick {
  return new LogTick({
    streams: new KeepStreams(outbox, messaging, ledger, config.RAHAT_SCHEDULER_SLOT_KEPT_MINUTES * 60_000, clock),
    bases: new RequestBases(outbox, ledger, clock),
    removals,
    slots: new DropSlots(database, outbox, questions, secrets, clock),
  });
}
