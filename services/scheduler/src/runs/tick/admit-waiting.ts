import { isDeepStrictEqual } from 'node:util';
import type { Scheduling, WaitingFor } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { blackoutAt } from '../../plans/blackouts.js';
import { schedulingOf } from '../../scheduling/scheduling.table.js';
import { poolWorkers } from '../../workers/workers.table.js';
import { admit, type Occupancy } from '../admission/admission.js';
import { resourcesOf, type PlaceRules } from '../admission/resources.js';
import { runsWithPlace, tellWaiting, waitingRuns, type PlacedRun } from '../admission/waiting-runs.js';
import { isEndless } from '../endless.js';
import type { RunLedger } from '../run-ledger.js';
import { lockRun } from '../runs.table.js';

/** As many as the same tick sends: it has other work, too, and the next one, which follows at once, goes on. */
const ADMISSIONS_AT_ONCE = 50;
/** The others hear what they wait for in later ticks. */
const TOLD_AT_ONCE = 1_000;

type Hold = { kind: 'wait'; for: WaitingFor } | { kind: 'end'; as: 'missed' | 'skipped'; reason: string };

/**
 * Gives waiting runs their places within all limits, and tells the others what they wait for. One replica at a time does this,
 * under the tick's lock, and only here places are taken: so two replicas can't both see the last one free.
 */
export async function admitWaitingRuns(
  transaction: Transaction,
  ledger: RunLedger,
  { now, poolLimits, workerLostAfterMs }: { now: Date; poolLimits: Record<string, number>; workerLostAfterMs: number },
): Promise<{ more: boolean }> {
  const waiting = await waitingRuns(transaction);
  if (waiting.length === 0) return { more: false };
  const holding = await runsWithPlace(transaction);
  const rules: PlaceRules = {
    pools: poolLimits,
    workers: await poolWorkers(transaction, new Date(now.getTime() - workerLostAfterMs)),
    scheduling: await schedulingOfAll(transaction, [...waiting, ...holding]),
  };
  const told = new Map<string, WaitingFor>();
  const ready: PlacedRun[] = [];
  for (const run of waiting) {
    const hold = holdOf(run, rules.scheduling.get(run.organization_id)!, now);
    if (hold === undefined) ready.push(run);
    else if (hold.kind === 'wait') told.set(run.id, hold.for);
    else await end(transaction, ledger, run, hold);
  }
  const admission = admit(
    ready.map((run) => ({
      id: run.id,
      organization: run.organization_id,
      priority: run.priority,
      dueAt: run.due_at,
      resources: resourcesOf(run, rules),
    })),
    occupancyOf(holding, rules),
    now,
  );
  const byId = new Map(waiting.map((run) => [run.id, run]));
  for (const id of admission.admitted.slice(0, ADMISSIONS_AT_ONCE)) await give(transaction, ledger, byId.get(id)!, now);
  for (const [id, waitingFor] of admission.waiting) told.set(id, waitingFor);
  await tellWaiting(
    transaction,
    [...told]
      .filter(([id, waitingFor]) => !isDeepStrictEqual(byId.get(id)!.waiting_for, waitingFor))
      .slice(0, TOLD_AT_ONCE)
      .map(([id, waitingFor]) => ({ id, for: waitingFor })),
  );
  return { more: admission.admitted.length > ADMISSIONS_AT_ONCE };
}

/** What keeps a run from asking for a place at all. */
function holdOf(run: PlacedRun, scheduling: Scheduling, now: Date): Hold | undefined {
  if (run.paused) return { kind: 'wait', for: { reason: 'paused', message: 'The run is paused.' } };
  if (run.not_before && run.not_before > now)
    return {
      kind: 'wait',
      for:
        run.waiting_for?.reason === 'preparation'
          ? run.waiting_for
          : { reason: 'retry_pause', message: 'The next attempt comes after a pause.', until: run.not_before.toISOString() },
    };
  const blackout = byItself(run)
    ? blackoutAt([...(run.plan_blackouts ?? []), ...run.server_blackouts, ...scheduling.blackouts], now)
    : undefined;
  if (blackout) {
    if (run.state === 'due' && (run.blackout_due === 'skip' || !blackout.until))
      return { kind: 'end', as: 'skipped', reason: `It could not start before the blackout window ${blackout.reason}.` };
    return {
      kind: 'wait',
      for: {
        reason: 'blackout',
        message: `Nothing starts in the blackout window ${blackout.reason}.`,
        until: blackout.until?.toISOString(),
      },
    };
  }
  // A run that asks for a place without an end would keep every later one of its line from starting.
  if (run.state === 'due' && !isEndless(run) && now.getTime() - run.due_at.getTime() > run.deadline_minutes * 60_000)
    return {
      kind: 'end',
      as: 'missed',
      reason: `It found no place within ${run.deadline_minutes} minutes. ${run.waiting_for?.message ?? ''}`.trim(),
    };
  return undefined;
}

/** A person's word goes before windows; verifications don't load the source. */
function byItself(run: PlacedRun): boolean {
  return run.type === 'backup' && (run.cause === 'schedule' || run.cause === 'catch_up');
}

async function end(transaction: Transaction, ledger: RunLedger, { id }: PlacedRun, hold: Extract<Hold, { kind: 'end' }>): Promise<void> {
  const run = await lockRun(transaction, id);
  if (run) await ledger.move(transaction, run, hold.as, 'tick', { reasons: [hold.reason], waiting_for: null });
}

async function give(transaction: Transaction, ledger: RunLedger, placed: PlacedRun, now: Date): Promise<void> {
  if (placed.state === 'due') {
    const run = await lockRun(transaction, placed.id);
    if (run) await ledger.queueAttempt(transaction, run, 'tick', { not_before: now, admitted_at: now });
    return;
  }
  await transaction.query(`UPDATE runs SET admitted_at = $3, waiting_for = NULL WHERE id = $1 AND attempt = $2 AND state = 'queued'`, [
    placed.id,
    placed.attempt,
    now,
  ]);
}

function occupancyOf(holding: readonly PlacedRun[], rules: PlaceRules): Occupancy {
  const byResource = new Map<string, number>();
  const byOrganization = new Map<string, number>();
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
  for (const run of holding) {
    count(byOrganization, run.organization_id);
    for (const { key } of resourcesOf(run, rules)) count(byResource, key);
  }
  return { byResource, byOrganization };
}

async function schedulingOfAll(transaction: Transaction, runs: readonly PlacedRun[]): Promise<Map<string, Scheduling>> {
  const all = new Map<string, Scheduling>();
  for (const { organization_id: organization } of runs)
    if (!all.has(organization)) all.set(organization, await schedulingOf(transaction, organization));
  return all;
}
