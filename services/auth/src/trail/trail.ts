import type { Actor, EventPayload, Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';

type Recorded = EventPayload<'audit.recorded.v1'>;
export type Act = Pick<Recorded, 'organization' | 'actor' | 'action' | 'target' | 'request'> & { details?: Recorded['details'] };

/** Tells the audit trail, in the transaction of the act itself: what is committed is recorded. */
export async function recordAct(outbox: Outbox, transaction: Transaction, act: Act): Promise<void> {
  await outbox.event(transaction, 'audit.recorded.v1', { details: {}, ...act, at: new Date().toISOString() });
}

export function actorOf(principal: Principal): Actor {
  return {
    kind: principal.kind === 'service' ? 'system' : principal.kind,
    id: principal.subject,
    name: principal.name,
    address: principal.address,
  };
}
