import type { Transaction } from '@rahat/persistence';
import type { NewRun, RunCause } from '../runs/runs.table.js';

const ATTEMPTS = 3;
const DEADLINE_MINUTES = 720;

interface Wanted {
  organization: string;
  repository: string;
  cause?: RunCause;
  dryRun?: boolean;
  /** Since when the repository, which another installation made, is attached; not given = as the last rebuild knew it. */
  attachedAt?: Date | null;
}

export async function newRebuild(transaction: Transaction, wanted: Wanted, now: Date): Promise<NewRun> {
  const { organization, repository, cause = 'reaction', dryRun = false } = wanted;
  return {
    organization_id: organization,
    type: 'rebuild',
    cause,
    server_id: null,
    method: null,
    repository_id: repository,
    dry_run: dryRun,
    attached_at: wanted.attachedAt === undefined ? await attachedBefore(transaction, repository) : wanted.attachedAt,
    max_attempts: ATTEMPTS,
    deadline_minutes: DEADLINE_MINUTES,
    due_at: now,
  };
}

async function attachedBefore(transaction: Transaction, repository: string): Promise<Date | null> {
  const [row] = await transaction.query<{ attached_at: Date | null }>(
    `SELECT max(attached_at) AS attached_at FROM runs WHERE type = 'rebuild' AND repository_id = $1`,
    [repository],
  );
  return row?.attached_at ?? null;
}
