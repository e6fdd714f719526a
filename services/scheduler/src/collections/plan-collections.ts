import { newId } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { occurrencesBetween } from '../plans/schedule.js';
import { priorityOf } from '../runs/priorities.js';
import type { CollectionPolicyRow } from './collection-policies.table.js';

const HORIZON_MS = 48 * 3_600_000;
/** The ledger is filled up once this much of it was used. */
const REFILL_MS = 3_600_000;
const MOST_OCCURRENCES = 500;
const POLICIES_AT_ONCE = 500;

export const COLLECTION_ATTEMPTS = 3;
export const COLLECTION_DEADLINE_MINUTES = 720;

/** Writes the collections of the next 48 h down as expected, as it is done with backups. */
export async function planCollections(transaction: Transaction, now: Date): Promise<{ more: boolean }> {
  const policies = await transaction.query<CollectionPolicyRow>(
    `SELECT * FROM collection_policies WHERE replan OR planned_until < $1 ORDER BY planned_until LIMIT ${POLICIES_AT_ONCE} FOR UPDATE SKIP LOCKED`,
    [new Date(now.getTime() + HORIZON_MS - REFILL_MS)],
  );
  for (const policy of policies) await planOne(transaction, policy, now);
  return { more: policies.length === POLICIES_AT_ONCE };
}

async function planOne(transaction: Transaction, policy: CollectionPolicyRow, now: Date): Promise<void> {
  if (policy.replan)
    await transaction.query(
      `DELETE FROM runs WHERE type = 'collection' AND repository_id = $1 AND cause = 'schedule' AND state = 'expected' AND occurs_at > $2`,
      [policy.repository_id, now],
    );
  const from = policy.replan && policy.planned_until > now ? now : policy.planned_until;
  const until = new Date(now.getTime() + HORIZON_MS);
  const occurrences =
    policy.cron === null ? [] : occurrencesBetween({ cron: policy.cron, timeZone: policy.time_zone }, from, until, MOST_OCCURRENCES);
  await transaction.query(
    // A clock that was set back, or another replica, finds the row of this occurrence there.
    `INSERT INTO runs (id, organization_id, type, state, cause, repository_id, max_attempts, deadline_minutes, priority, occurs_at, due_at)
     SELECT id, $1, 'collection', 'expected', 'schedule', $2, ${COLLECTION_ATTEMPTS}, ${COLLECTION_DEADLINE_MINUTES}, $3, at, at
     FROM unnest($4::text[], $5::timestamptz[]) AS expected (id, at) ON CONFLICT DO NOTHING`,
    [
      policy.organization_id,
      policy.repository_id,
      priorityOf({ type: 'collection', cause: 'schedule' }),
      occurrences.map(() => newId('run')),
      occurrences,
    ],
  );
  const plannedUntil = occurrences.length === MOST_OCCURRENCES ? occurrences.at(-1)! : until;
  await transaction.query(`UPDATE collection_policies SET planned_until = $2, replan = false WHERE repository_id = $1`, [
    policy.repository_id,
    plannedUntil,
  ]);
}
