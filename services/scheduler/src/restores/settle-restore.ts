import { attemptLabel, safetyCopySchema, type RestoreEvidence, type SafetyCopyOrder } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { Judgement } from '../runs/judgement.js';
import type { RestoreRequest } from '../runs/run-specs.js';
import type { RunRow } from '../runs/runs.table.js';
import { recordOwnAct } from '../trail/trail.js';
import { requestOfRun } from './restore-plans.table.js';
import { insertSafetyCopy, recordEnd } from './safety-copies.table.js';

const DAY_MS = 86_400_000;
/** How an attempt ends from which nothing was heard after it may have committed. */
const UNHEARD: ReadonlySet<string> = new Set(['worker_lost', 'source_lost', 'deadline_exceeded']);

type Closed = Pick<RunRow, 'id' | 'attempt' | 'started_at'>;

/** Whether it changed the live database can't be told from here: a restore into one whose worker fell silent. */
export function isLeftOpen(request: RestoreRequest | undefined, run: Closed, judgement: Judgement, evidence: unknown): boolean {
  if (!request?.merge || !run.started_at || evidence) return false;
  return judgement.state === 'cancelled' || (judgement.state === 'failed' && UNHEARD.has(judgement.error.code));
}

/** What a person should know of it. */
export function leftOpenInWords({ id }: Closed): string {
  return `Whether its transaction was committed is not known. If it was, what it changed is kept: rahat-backup restore undo ${id}`;
}

/** Remembers what a closed restore left in a live database, and forgets what an undo or a drop took away. */
export async function settleRestore(
  outbox: Outbox,
  transaction: Transaction,
  run: RunRow,
  { judgement, now }: { judgement: Judgement; now: Date },
): Promise<void> {
  const request = await requestOfRun(transaction, run);
  const evidence = (run.evidence as RestoreEvidence | null) ?? undefined;
  const order = request?.safetyCopy;
  if (order) await settleEnding(transaction, run, order, { judgement, now });
  else if (request?.merge) await keepSafetyCopy(transaction, run, request, { judgement, evidence, now });
  await recordOwnAct(outbox, transaction, run.organization_id, {
    action: `${order ? ENDINGS[order.action] : 'restore.'}${judgement.state}`,
    target: { kind: 'run', id: order?.of ?? run.id },
    details: {
      backup: run.backup_id,
      reasons: judgement.reasons,
      ...(order && { run: run.id, schema: order.schema }),
      ...(evidence?.merged && { changed: evidence.merged }),
      ...(evidence?.safetyCopy && { safetyCopy: evidence.safetyCopy }),
    },
  });
}

const ENDINGS: Record<SafetyCopyOrder['action'], string> = { undo: 'restore.undo_', drop: 'restore.safety_copy_drop_' };

async function settleEnding(
  transaction: Transaction,
  run: RunRow,
  { of, action }: SafetyCopyOrder,
  { judgement, now }: { judgement: Judgement; now: Date },
): Promise<void> {
  if (judgement.state !== 'succeeded' && judgement.state !== 'partial') return;
  const as = action === 'undo' ? 'undone' : run.cause === 'reaction' ? 'expired' : 'dropped';
  await recordEnd(transaction, of, { as, at: now });
}

async function keepSafetyCopy(
  transaction: Transaction,
  run: RunRow,
  request: RestoreRequest,
  { judgement, evidence, now }: { judgement: Judgement; evidence: RestoreEvidence | undefined; now: Date },
): Promise<void> {
  const copy = evidence?.safetyCopy;
  if (!copy && !isLeftOpen(request, run, judgement, evidence)) return;
  await insertSafetyCopy(transaction, {
    run_id: run.id,
    organization_id: run.organization_id,
    server_id: run.server_id!,
    database_name: run.database_name!,
    schema_name: copy?.schema ?? safetyCopySchema(attemptLabel({ run: run.id, attempt: run.attempt })),
    rows: copy?.rows ?? null,
    restored_at: now,
    // Not by the clock of the worker, which nobody here goes by.
    expires_at: new Date(now.getTime() + request.merge!.safetyCopyDays * DAY_MS),
  });
}
