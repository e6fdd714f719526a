import type { BackupType } from '@rahat/contracts';

/** One expected run whose time has come. */
export interface ExpectedRun {
  id: string;
  dueAt: Date;
  type: BackupType;
}

export type OverdueDecision = { id: string; becomes: 'due' } | { id: string; becomes: 'missed' | 'skipped'; reason: string };

export interface Situation {
  now: Date;
  missedAfterMs: number;
  catchUp: 'run_once' | 'skip';
  /** A run of the same line is waiting or running. */
  busy: boolean;
  /** Why nothing of the plan runs, when it is paused. */
  paused?: string;
  /** Why a run that was due then is left out: it lay in a blackout window. */
  leftOut(at: Date): string | undefined;
}

/** What becomes of the expected runs of one line (plan, database, log or not) whose time has come. `catchUp` asks for one run in place of the missed ones. */
export function decideOverdue(
  runs: readonly ExpectedRun[],
  situation: Situation,
): { decisions: OverdueDecision[]; catchUp: BackupType | undefined } {
  if (situation.paused !== undefined) {
    const reason = situation.paused;
    return { decisions: runs.map(({ id }) => ({ id, becomes: 'skipped', reason })), catchUp: undefined };
  }
  const reasons = new Map(
    runs.flatMap((run) => (situation.leftOut(run.dueAt) === undefined ? [] : [[run.id, situation.leftOut(run.dueAt)!]])),
  );
  const wanted = runs.filter((run) => !reasons.has(run.id));
  const onTime = wanted.filter((run) => situation.now.getTime() - run.dueAt.getTime() <= situation.missedAfterMs);
  const late = wanted.filter((run) => !onTime.includes(run));
  const next = situation.busy ? undefined : strongest(onTime);
  const decisions = [...runs].sort(byTime).map((run): OverdueDecision => {
    const leftOut = reasons.get(run.id);
    if (leftOut !== undefined) return { id: run.id, becomes: 'skipped', reason: leftOut };
    if (run === next) return { id: run.id, becomes: 'due' };
    if (late.includes(run))
      return { id: run.id, becomes: 'missed', reason: 'Nothing started this run at its time: the scheduler was not running.' };
    if (!next) return { id: run.id, becomes: 'missed', reason: 'The run before was still waiting or running at this time.' };
    const other = run.type === next.type ? 'Another' : `A ${next.type}`;
    return { id: run.id, becomes: 'skipped', reason: `${other} run that was due as well took its place.` };
  });
  const wantsOne = situation.catchUp === 'run_once' && !next && !situation.busy;
  return { decisions, catchUp: wantsOne ? strongest(late)?.type : undefined };
}

const STRENGTH: Record<BackupType, number> = { full: 3, differential: 2, incremental: 1, log: 0 };

/** A full backup holds what the others would have; among equals the latest holds the most. */
function strongest(runs: readonly ExpectedRun[]): ExpectedRun | undefined {
  return [...runs].sort((a, b) => STRENGTH[b.type] - STRENGTH[a.type] || byTime(b, a))[0];
}

function byTime(a: ExpectedRun, b: ExpectedRun): number {
  return a.dueAt.getTime() - b.dueAt.getTime();
}
