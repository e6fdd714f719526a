import { type LogGapReason, lsnText } from '@rahat/contracts';
import { type TimelineStep } from './timeline-history.js';

export interface Place {
  timeline: number;
  position: bigint;
}

export type NextPlace =
  | { state: 'go on'; at: Place; /** The former timeline's log behind the fork that the source did not take over. */ abandoned?: Place }
  /** A standby that is still behind, or has not followed to the newer timeline yet. */
  | { state: 'wait'; message: string }
  | { state: 'gap'; gap: LogGapReason; message: string };

/** Where to go on, on a source that is on `way` (its timeline's history, itself last) and has written up to `written`. */
export function nextPlace(committed: Place, way: readonly TimelineStep[], written: bigint, standby: boolean): NextPlace {
  const current = way.at(-1)?.timeline ?? 0;
  const where = `${lsnText(committed.position)} of timeline ${committed.timeline}`;
  const index = way.findIndex((step) => step.timeline === committed.timeline);
  const step = way[index];
  if (!step) {
    const message = `The source is on timeline ${current}, which does not come out of timeline ${committed.timeline}; what is kept ends at ${where}`;
    if (committed.timeline > current && standby) return { state: 'wait', message };
    return { state: 'gap', gap: 'timeline_diverged', message };
  }
  const next = way[index + 1];
  if (step.end !== undefined && next !== undefined && committed.position > step.end) {
    // The new timeline has all of the log up to the fork, and so do we; what we have behind it nobody went on from.
    return {
      state: 'go on',
      at: { timeline: next.timeline, position: step.end },
      abandoned: { timeline: committed.timeline, position: step.end },
    };
  }
  if (step.end === undefined && committed.position > written) {
    const message = `The source has written only up to ${lsnText(written)}; what is kept ends at ${where}`;
    if (standby) return { state: 'wait', message };
    return { state: 'gap', gap: 'timeline_diverged', message: `${message}. It was set back to an earlier state` };
  }
  return { state: 'go on', at: committed };
}

/** The timeline on which this position lies, on the way of a source. */
export function timelineAt(way: readonly TimelineStep[], position: bigint): number {
  return (way.find((step) => step.end === undefined || position < step.end) ?? way.at(-1))?.timeline ?? 1;
}
