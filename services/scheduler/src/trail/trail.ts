import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import { recordOwnAct as recordActOf, type Act } from '@rahat/service-kit';

/** What the scheduler did by itself, such as retention. */
export async function recordOwnAct(outbox: Outbox, transaction: Transaction, organization: string, act: Act): Promise<void> {
  await recordActOf(outbox, transaction, 'scheduler', { organization, ...act });
}
