import type { FollowEnd, FollowRequest, Job, PushedLogSink, PushedSegment } from '@rahat/connector-kit';
import { type Finding, type LogPosition, lsnText, type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { parseLogPosition } from '../../physical/log-position.js';
import { SinkFailure } from '../range-committer.js';
import { dropSlot } from '../replication-slot.js';
import { SourceWatch } from '../source-watch.js';
import { lookAtArchiver } from './archiver.js';
import { PushedLog } from './pushed-log.js';

/** Takes the segments that the server's archive_command pushes, each committed before it is settled. Ends with them. */
export async function takePushed(
  connection: PostgresqlConnection,
  request: FollowRequest,
  segments: AsyncIterable<PushedSegment>,
  sink: PushedLogSink,
  job: Job,
): Promise<FollowEnd> {
  const { from, label } = request;
  if (request.identity === undefined) throw new RahatError('message_invalid', 'Pushed log is taken of a server that is known only');
  const findings: Finding[] = [];
  const log = new PushedLog(
    connection,
    { identity: request.identity, from: from && { timeline: from.timeline, position: parseLogPosition(from.lsn) }, label },
    sink,
    job,
  );
  await letSlotGo(connection, request.slot, job);
  await using _watch = new SourceWatch(connection, {
    label,
    heartbeatSeconds: request.heartbeatSeconds,
    lastTransactionSeenAt: () => log.lastTransactionSeenAt,
    look: async (client) => {
      const seen = await lookAtArchiver(client);
      sink.seen(log.reachedOr(seen.written), log.reachedLsn, new Date().toISOString());
      return seen.findings;
    },
    onFinding: (finding) => {
      findings.push(finding);
      job.log('warning', finding.message);
    },
    signal: job.signal,
  });
  for await (const segment of segments) await settle(segment, log, job);
  const position: LogPosition | undefined = log.reached && { timeline: log.reached.timeline, lsn: lsnText(log.reached.position) };
  return { reason: 'stopped', position, findings };
}

/** A segment that is refused is the pusher's affair; a storage that fails is the follower's, too. */
async function settle(segment: PushedSegment, log: PushedLog, job: Job): Promise<void> {
  try {
    segment.settle({ outcome: await log.take(segment) });
  } catch (error) {
    const failure = RahatError.from(error instanceof SinkFailure ? error.failure : error);
    segment.settle({ outcome: 'refused', error: failure });
    if (error instanceof SinkFailure && !job.signal.aborted) throw failure;
    job.log('warning', `${segment.name} was not taken: ${failure.message}`);
  }
}

/** Of a stream that was followed before: nobody reads it any more, and it would keep log until the server's disk is full. */
async function letSlotGo(connection: PostgresqlConnection, slot: string, job: Job): Promise<void> {
  try {
    if (await dropSlot(connection, slot, job.signal))
      job.log('info', `The replication slot ${slot} is not needed any more, and was dropped`);
  } catch (error) {
    job.log('warning', `Whether the replication slot ${slot} is still there is not known: ${RahatError.from(error).message}`);
  }
}
