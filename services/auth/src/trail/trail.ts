import type { EventPayload } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import { currentRequestId } from '@rahat/service-kit';

type Recorded = EventPayload<'audit.recorded.v1'>;
export type Act = Pick<Recorded, 'organization' | 'actor' | 'action' | 'target' | 'request'> & { details?: Recorded['details'] };

/** Tells the audit trail, in the transaction of the act itself: what is committed is recorded. */
export async function recordAct(outbox: Outbox, transaction: Transaction, act: Act): Promise<void> {
  // Who logs in has no principal yet that would carry it.
  const request = act.request ?? currentRequestId();
  await outbox.event(transaction, 'audit.recorded.v1', {
    details: {},
    ...act,
    ...(request ? { request } : {}),
    at: new Date().toISOString(),
  });
}
