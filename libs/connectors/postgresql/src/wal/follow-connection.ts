import type { FollowRequest, Job, LogSink } from '@rahat/connector-kit';
import { lsnText, type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { parseLogPosition } from '../physical/log-position.js';
import { bytesOfSetting } from '../physical/setting-bytes.js';
import { WalsenderClient } from '../physical/walsender-client.js';
import { nextPlace, type Place, timelineAt } from './follow-position.js';
import { type FollowLink, type FollowState, followTimeline } from './follow-timeline.js';
import { LogGap } from './log-gap.js';
import { prepareSlot } from './prepare-slot.js';
import { readWay } from './source-histories.js';

const STATUS_EVERY_MS = 10_000;

/** Follows over one connection, until it ends. Returns never: it ends by an error, a LogGap, or the job's abort. */
export async function followConnection(
  connection: PostgresqlConnection,
  request: FollowRequest,
  state: FollowState,
  sink: LogSink,
  job: Job,
): Promise<never> {
  const broken = new AbortController();
  const signal = AbortSignal.any([job.signal, broken.signal]);
  await using client = await WalsenderClient.connect(connection, request.label, signal);
  const system = await client.identifySystem();
  const identity = state.identity ?? request.identity;
  if (identity !== undefined && identity !== system.systemIdentifier)
    throw new LogGap('source_replaced', `Another server answers: its system identifier is ${system.systemIdentifier}, not ${identity}`);
  state.identity = system.systemIdentifier;
  const segmentSize = bytesOfSetting(await client.show('wal_segment_size'));
  const statusEveryMs = await statusInterval(client);
  const way = await readWay(client, system.timeline);
  const prepared = await prepareSlot(connection, client, request, state.heldBy, signal);

  const { committed } = state;
  let place: Place;
  if (committed) {
    const next = nextPlace(committed, way, parseLogPosition(system.position), prepared.standby);
    if (next.state === 'gap') throw new LogGap(next.gap, next.message);
    if (next.state === 'wait')
      throw new RahatError('source_lost', next.message, { hint: 'The standby has to catch up with its primary first.' });
    if (next.abandoned) tellAbandoned(committed, next.at, state, job);
    place = next.at;
  } else {
    // A segment's first page is needed to read any of it, so the stream begins with one.
    const start = parseLogPosition(prepared.restartLsn);
    const position = start - (start % BigInt(segmentSize));
    place = { timeline: timelineAt(way, start), position };
  }

  const link: FollowLink = {
    connection,
    client,
    request,
    state,
    sink,
    job,
    signal,
    broken,
    segmentSize,
    statusEveryMs,
    slotMade: prepared.made,
  };
  for (;;) place = await followTimeline(link, place);
}

/** The server's status time-out bounds how seldom it may hear of us, also while a commit is slow. */
async function statusInterval(client: WalsenderClient): Promise<number> {
  const shown = /^(\d+)(ms|s|min|h|d)?$/.exec(await client.show('wal_sender_timeout'));
  const unit = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 }[shown?.[2] ?? 'ms'] ?? 1;
  const timeoutMs = Number(shown?.[1] ?? 0) * unit;
  return timeoutMs === 0 ? STATUS_EVERY_MS : Math.max(100, Math.min(STATUS_EVERY_MS, Math.floor(timeoutMs / 4)));
}

function tellAbandoned(committed: Place, at: Place, state: FollowState, job: Job): void {
  const message = `Timeline ${at.timeline} of the source left timeline ${committed.timeline} at ${lsnText(at.position)}, before ${lsnText(committed.position)}, up to where it is kept. What the former primary wrote behind that is not on the source; it can be restored on timeline ${committed.timeline}.`;
  state.findings.push({ code: 'timeline_abandoned', severity: 'warning', message });
  job.log('warning', message);
}
