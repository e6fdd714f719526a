import { setTimeout as delay } from 'node:timers/promises';
import type { FollowEnd, FollowRequest, Job, LogSink } from '@rahat/connector-kit';
import { type LogPosition, lsnText, type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { parseLogPosition } from '../physical/log-position.js';
import { followConnection } from './follow-connection.js';
import type { FollowState } from './follow-timeline.js';
import { LogGap } from './log-gap.js';
import { SinkFailure } from './range-committer.js';

/** A server that restarts, or a primary that is being replaced, comes back within this; after it the error is the caller's. */
const PATIENCE_MS = 120_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/** Follows the server's log from exactly where it is committed, over as many connections as it takes. */
export async function followLog(connection: PostgresqlConnection, request: FollowRequest, sink: LogSink, job: Job): Promise<FollowEnd> {
  const state: FollowState = {
    committed: request.from && { timeline: request.from.timeline, position: parseLogPosition(request.from.lsn) },
    identity: request.identity,
    knownHistories: new Set(request.from ? [request.from.timeline] : []),
    heardAt: Date.now(),
    findings: [],
  };
  const position = (): LogPosition | undefined =>
    state.committed ? { timeline: state.committed.timeline, lsn: lsnText(state.committed.position) } : undefined;
  let pauseMs = FIRST_PAUSE_MS;
  /** Where the log was said to be gone. */
  let missingAt: bigint | undefined;
  for (;;) {
    const begun = Date.now();
    try {
      await followConnection(connection, request, state, sink, job);
    } catch (error) {
      if (job.signal.aborted) return { reason: 'stopped', position: position(), findings: state.findings };
      if (error instanceof SinkFailure) throw error.failure;
      // A source that is just being promoted may not have the new timeline's file in place yet: it is asked twice.
      const missing = error instanceof LogGap && error.gap === 'slot_lost' && missingAt !== (state.committed?.position ?? 0n);
      if (error instanceof LogGap && !missing)
        return { reason: 'gap', gap: error.gap, position: position(), message: error.message, findings: state.findings };
      if (missing) missingAt = state.committed?.position ?? 0n;
      const failure = missing ? new RahatError('source_lost', error.message) : RahatError.from(error);
      // Who took the slot over is a newer follower of the stream: to fight for it would end neither.
      if (failure.code === 'log_slot_in_use') throw failure;
      if (!failure.retryable || Date.now() - state.heardAt > PATIENCE_MS) throw failure;
      job.log('warning', `The log of the source is not coming: ${failure.message}. Trying again.`);
      pauseMs = state.heardAt > begun ? FIRST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
      await delay(pauseMs, undefined, { signal: job.signal }).catch(() => undefined);
    }
  }
}
