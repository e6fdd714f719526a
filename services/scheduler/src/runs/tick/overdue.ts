/** One expected run whose time has come. */
export interface ExpectedRun {
  id: string;
  dueAt: Date;
}

export type OverdueDecision = { id: string; becomes: 'due' } | { id: string; becomes: 'missed'; reason: string };

/** What becomes of the expected runs of one plan and database whose time has come. `catchUp` asks for one run in place of the missed ones. */
export function decideOverdue(
  runs: readonly ExpectedRun[],
  situation: { now: Date; missedAfterMs: number; catchUp: 'run_once' | 'skip'; busy: boolean },
): { decisions: OverdueDecision[]; catchUp: boolean } {
  const byTime = [...runs].sort((a, b) => a.dueAt.getTime() - b.dueAt.getTime());
  const onTime = byTime.filter((run) => situation.now.getTime() - run.dueAt.getTime() <= situation.missedAfterMs);
  const next = situation.busy ? undefined : onTime.at(-1);
  const decisions = byTime.map((run): OverdueDecision => {
    if (run === next) return { id: run.id, becomes: 'due' };
    if (!onTime.includes(run))
      return { id: run.id, becomes: 'missed', reason: 'Nothing started this run at its time: the scheduler was not running.' };
    if (situation.busy) return { id: run.id, becomes: 'missed', reason: 'The run before was still waiting or running at this time.' };
    return { id: run.id, becomes: 'missed', reason: 'A later run was due as well and took its place.' };
  });
  const lateRuns = byTime.length - onTime.length;
  return { decisions, catchUp: lateRuns > 0 && !next && !situation.busy && situation.catchUp === 'run_once' };
}
