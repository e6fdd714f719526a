import type { BackupFacts, BackupRequest, Job } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import type { RoutedConnection } from '../reach/index.js';
import { needsLooks } from './bounds.js';
import { LimitWatch } from './limit-watch.js';
import { Pace } from './pace.js';

/** engines.md §2: a dump that waits holds its snapshot, and so keeps the server from cleaning up. */
const LONGEST_HOLD_MS = 10 * 60_000;

/** A job whose reading of the source goes through a pace; without one it goes as fast as it can. */
export interface PacedJob extends Job {
  pace?: Pace;
}

/**
 * Does the backup within the limits of its request. Rejects with `source_yielded` or `source_overloaded` when it had to give way; then
 * its sessions on the server are ended as well.
 */
export async function withinLimits(
  connection: RoutedConnection,
  { label, limits }: BackupRequest,
  job: Job,
  backUp: (job: PacedJob) => Promise<BackupFacts>,
): Promise<BackupFacts> {
  if (!limits) return backUp(job);
  const pace = new Pace(limits.bytesPerSecond ?? undefined);
  if (!needsLooks(limits)) return backUp({ ...job, pace });
  const givenUp = new AbortController();
  const giveUp = (reason: RahatError): void => givenUp.abort(reason);
  const orders = { label: label.slice(0, 63), limits, pace, job, longestHoldMs: LONGEST_HOLD_MS, giveUp };
  await using watch = new LimitWatch(connection, orders);
  try {
    const signal = AbortSignal.any([job.signal, givenUp.signal]);
    const facts = await backUp({ ...job, signal, pace, progress: (progress) => watch.progress(progress) });
    return { ...facts, throttle: watch.facts(), findings: [...facts.findings, ...watch.findings] };
  } catch (error) {
    if (givenUp.signal.aborted && !job.signal.aborted) throw givenUp.signal.reason;
    throw error;
  }
}
