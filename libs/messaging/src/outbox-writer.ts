import { newId } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { parseCommand, parseEvent } from './message-schemas.js';
import type { Outbox } from './messaging.js';
import type { OutboxRow } from './outbox-relay.js';

export const DEFAULT_PRIORITY = 50;

/** Writes into a service's outbox. Who runs no relay leaves it to those of the service, which look every few seconds. */
export function openOutbox(written: () => void = () => undefined): Outbox {
  const put = async (transaction: Transaction, row: OutboxRow) => {
    await transaction.query(
      `INSERT INTO outbox (id, kind, queue, name, payload, priority, delay_ms) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING`,
      [row.id, row.kind, row.queue, row.name, JSON.stringify(row.payload), row.priority, row.delay_ms],
    );
    transaction.afterCommit(written);
  };
  return {
    command: (transaction, queue, name, payload, { id = newId('message'), delayMs = 0, priority = DEFAULT_PRIORITY } = {}) =>
      put(transaction, { id, kind: 'command', queue, name, payload: parseCommand(name, payload), priority, delay_ms: delayMs }),
    event: (transaction, name, payload) =>
      put(transaction, {
        id: newId('message'),
        kind: 'event',
        queue: null,
        name,
        payload: parseEvent(name, payload),
        priority: DEFAULT_PRIORITY,
        delay_ms: 0,
      }),
  };
}
