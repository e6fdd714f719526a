import type { Actor } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import { currentRequestId, type Act } from '@rahat/service-kit';

/** Who acts, and in whose trail it stands. */
export interface Who {
  organization: string;
  actor: Actor;
}

/** For what nobody with a name did: a log-in that was refused, a role that a provider gave. */
export function authItself(organization: string, address?: string): Who {
  return { organization, actor: { kind: 'system', id: 'auth', name: 'auth', address } };
}

/** `recordAct` for who has no principal: who logs in, whoever has a link, the console of the machine. */
export async function recordActOf(outbox: Outbox, transaction: Transaction, { organization, actor }: Who, act: Act): Promise<void> {
  const request = currentRequestId();
  await outbox.event(transaction, 'audit.recorded.v1', {
    organization,
    actor,
    details: {},
    ...(request ? { request } : {}),
    at: new Date().toISOString(),
    ...act,
  });
}
