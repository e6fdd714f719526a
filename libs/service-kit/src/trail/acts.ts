import type { Actor, EventPayload, Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';

type Recorded = EventPayload<'audit.recorded.v1'>;
/** `details` may hold `before` and `after` (changes.ts), and never a secret. */
export type Act = Pick<Recorded, 'action' | 'target'> & { details?: Recorded['details'] };

/** Tells the audit trail, in the transaction of the act itself: what is committed is recorded. */
export async function recordAct(outbox: Outbox, transaction: Transaction, principal: Principal, act: Act): Promise<void> {
  await outbox.event(transaction, 'audit.recorded.v1', {
    organization: principal.organization,
    actor: actorOf(principal),
    details: {},
    request: principal.requestId,
    at: new Date().toISOString(),
    ...act,
  });
}

/** What a service did by itself, such as retention. */
export async function recordOwnAct(
  outbox: Outbox,
  transaction: Transaction,
  service: string,
  act: Act & { organization: string },
): Promise<void> {
  await outbox.event(transaction, 'audit.recorded.v1', {
    actor: { kind: 'system', id: service, name: service },
    details: {},
    at: new Date().toISOString(),
    ...act,
  });
}

export function actorOf(principal: Principal): Actor {
  return {
    kind: principal.kind === 'service' ? 'system' : principal.kind,
    id: principal.subject,
    name: principal.name,
    address: principal.address,
  };
}
