import type { Transaction } from '@rahat/persistence';
import type { RunLedger } from '../runs/run-ledger.js';
import type { NewRun, RunCause, RunRow } from '../runs/runs.table.js';
import { decideOverdue } from '../runs/tick/overdue.js';
import { COLLECTION_ATTEMPTS, COLLECTION_DEADLINE_MINUTES } from './plan-collections.js';

const ROWS_AT_ONCE = 1_000;

/** Expected collections whose time has come; one at a time per repository. */
export async function startDueCollections(
  transaction: Transaction,
  ledger: RunLedger,
  now: Date,
  missedAfterMs: number,
): Promise<{ more: boolean }> {
  const runs = await transaction.query<RunRow>(
    `SELECT * FROM runs WHERE state = 'expected' AND type = 'collection' AND due_at <= $1 ORDER BY due_at LIMIT ${ROWS_AT_ONCE} FOR UPDATE SKIP LOCKED`,
    [now],
  );
  for (const ofRepository of Map.groupBy(runs, (run) => run.repository_id).values()) {
    const { repository_id: repository, organization_id: organization } = ofRepository[0]!;
    const { decisions, catchUp } = decideOverdue(
      // Windows protect sources, which a collection doesn't touch.
      ofRepository.map((run) => ({ id: run.id, dueAt: run.due_at, type: 'full' })),
      {
        now,
        missedAfterMs,
        catchUp: 'run_once',
        busy: (await activeCollectionOf(transaction, repository)) !== undefined,
        leftOut: () => undefined,
      },
    );
    for (const decision of decisions) {
      const run = ofRepository.find(({ id }) => id === decision.id)!;
      if (decision.becomes === 'due') await ledger.makeDue(transaction, [run]);
      else await ledger.move(transaction, run, decision.becomes, 'tick', { reasons: [decision.reason] });
    }
    if (catchUp !== undefined) await ledger.createDue(transaction, newCollection({ repository, organization }, 'catch_up', now));
  }
  return { more: runs.length === ROWS_AT_ONCE };
}

export async function activeCollectionOf(transaction: Transaction, repository: string): Promise<RunRow | undefined> {
  const [run] = await transaction.query<RunRow>(
    `SELECT * FROM runs WHERE type = 'collection' AND repository_id = $1 AND state IN ('due', 'queued', 'running')`,
    [repository],
  );
  return run;
}

export function newCollection(of: { repository: string; organization: string }, cause: RunCause, dueAt: Date): NewRun {
  return {
    organization_id: of.organization,
    type: 'collection',
    cause,
    server_id: null,
    method: null,
    repository_id: of.repository,
    max_attempts: COLLECTION_ATTEMPTS,
    deadline_minutes: COLLECTION_DEADLINE_MINUTES,
    due_at: dueAt,
  };
}
