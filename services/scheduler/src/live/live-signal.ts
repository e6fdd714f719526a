import type { RunProgress } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';

export const LIVE_TOPIC = 'live';

/** What every replica is told at once; nothing of it is kept. What must not be missed stands in the database, and this says only: look. */
export type LiveSignal = { organization: string; run: string } & (
  | { kind: 'changed' | 'logged' }
  | { kind: 'progress'; server: string | null; attempt: number; progress: Omit<RunProgress, 'run' | 'attempt'> }
);

/** When the transaction has committed. A signal that is lost costs its listeners some seconds. */
export function signalLive(messaging: Messaging, transaction: Transaction, signal: LiveSignal): void {
  transaction.afterCommit(() => void messaging.signal(LIVE_TOPIC, signal).catch(() => undefined));
}
