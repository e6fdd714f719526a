import { sealEntry, type StoredEntry } from '@rahat/audit-trail';
import { newId, type EventPayload, type Principal } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { actorOf } from '@rahat/service-kit';
import type { Heads } from '../heads/heads.js';
import { endOfChain, insertEntry, lockChain } from './audit-entries.table.js';
import { withoutSecrets } from './redaction.js';

export type Recorded = EventPayload<'audit.recorded.v1'>;

/** The organization's append-only, hash-chained trail. */
export class TrailService {
  constructor(private readonly heads: Heads) {}

  /** In the transaction in which the message was recorded as processed: an entry is made once. */
  async append(transaction: Transaction, recorded: Recorded): Promise<StoredEntry> {
    const { organization } = recorded;
    await lockChain(transaction, organization);
    const last = await endOfChain(transaction, organization);
    const entry = sealEntry({
      organization,
      sequence: last.sequence + 1,
      previousHash: last.hash,
      id: newId('auditEntry'),
      at: recorded.at,
      actor: { ...recorded.actor, address: recorded.actor.address ?? null },
      action: recorded.action,
      target: { ...recorded.target, name: recorded.target.name ?? null },
      details: withoutSecrets(recorded.details) as Record<string, unknown>,
      request: recorded.request ?? null,
    });
    await insertEntry(transaction, organization, entry);
    await this.heads.signIfDue(transaction, organization, entry);
    return entry;
  }

  /** What somebody did to the trail itself. */
  async appendAct(
    transaction: Transaction,
    principal: Principal,
    act: { action: string; details: Record<string, unknown> },
  ): Promise<StoredEntry> {
    return this.append(transaction, {
      ...act,
      organization: principal.organization,
      actor: actorOf(principal),
      target: { kind: 'audit', id: principal.organization },
      request: principal.requestId,
      at: new Date().toISOString(),
    });
  }
}
