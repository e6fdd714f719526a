import type { FollowRequest, Job, LogSink } from '@rahat/connector-kit';
import { type Finding, lsnText, type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { serverNotice } from '../physical/protocol/server-errors.js';
import type { WalsenderClient } from '../physical/walsender-client.js';
import type { Place } from './follow-position.js';
import { logFeed, standbyStatus } from './log-feed.js';
import { LogGap } from './log-gap.js';
import { RangeCommitter } from './range-committer.js';
import { readSlot, slotFindings } from './replication-slot.js';
import { readHistories } from './source-histories.js';
import { SourceWatch } from './source-watch.js';

/** What is kept between connections. */
export interface FollowState {
  committed?: Place;
  identity?: string;
  /** Timelines whose history is committed or needs none. */
  readonly knownHistories: Set<number>;
  /** The process of the server that streamed to us: what else is on the slot is not a leftover of ours. */
  heldBy?: number;
  /** When something of the server last came. */
  heardAt: number;
  readonly findings: Finding[];
}

/** One connection on which the log comes. */
export interface FollowLink {
  connection: PostgresqlConnection;
  client: WalsenderClient;
  request: FollowRequest;
  state: FollowState;
  sink: LogSink;
  job: Job;
  /** Ends the connection: the job's own, and `broken`. */
  signal: AbortSignal;
  broken: AbortController;
  segmentSize: number;
  statusEveryMs: number;
  slotMade: boolean;
}

/** A server that doesn't answer our status updates for so long is taken for gone. */
const SILENCE_MS = 60_000;

/** Follows one timeline to its end, and gives where the next one begins. */
export async function followTimeline(link: FollowLink, place: Place): Promise<Place> {
  const { client, state, request, sink, job } = link;
  const histories = state.knownHistories.has(place.timeline) ? [] : await readHistories(client, place.timeline, state.knownHistories);
  let streaming = false;
  let waiting = false;
  let serverEnd = place.position;
  // On a timeline that left the former one before our end, less of it is committed than of that.
  let committed = state.committed ? place.position : 0n;
  // Until it sends the first bytes a server may find that it can't, also after it has answered a question. A slot goes back to whatever
  // is acknowledged, also where the log is gone.
  let begun = false;
  const acknowledge = (ask: boolean) => {
    if (streaming) client.sendCopyData(standbyStatus(begun ? committed : 0n, ask));
  };
  const committer = new RangeCommitter(
    { timeline: place.timeline, position: place.position, histories },
    { sink, segmentSize: link.segmentSize, commitSeconds: request.commitSeconds },
    {
      onCommitted: (timeline, end) => {
        committed = end;
        state.committed = { timeline, position: end };
        state.knownHistories.add(timeline);
        acknowledge(false);
      },
      onFailed: (failure) => link.broken.abort(failure),
    },
  );
  await using _watch = new SourceWatch(link.connection, {
    label: request.label,
    heartbeatSeconds: request.heartbeatSeconds,
    lastTransactionSeenAt: () => committer.lastTransactionSeenAt,
    onFinding: (finding) => {
      state.findings.push(finding);
      job.log('warning', finding.message);
    },
    look: async (client) => {
      const slot = await readSlot(client, request.slot);
      if (!slot) return [];
      job.progress({ phase: 'following', object: `retained ${slot.retainedBytes}`, bytes: Number(committer.received) });
      return slotFindings(request.slot, slot);
    },
    signal: link.signal,
  });
  const ticks = setInterval(() => {
    acknowledge(true);
    job.progress({ phase: 'following', object: lsnText(committer.received), bytes: Number(committer.received) });
    if (!waiting && streaming && Date.now() - state.heardAt > SILENCE_MS)
      link.broken.abort(new RahatError('source_lost', `The server was silent for ${SILENCE_MS / 1000} s`));
  }, link.statusEveryMs);
  try {
    const onStreaming = (on: boolean) => {
      streaming = on;
      if (!on) return;
      state.heldBy = client.processId;
      acknowledge(true);
    };
    const feed = logFeed(client, request.slot, { timeline: place.timeline, position: committer.startAt }, onStreaming);
    for await (const event of feed) {
      state.heardAt = Date.now();
      if (event.type === 'bytes' && !begun) {
        begun = true;
        acknowledge(false);
      }
      switch (event.type) {
        case 'bytes':
          waiting = true;
          await committer.take(event.start, event.bytes);
          waiting = false;
          break;
        case 'server':
          if (event.end > serverEnd) serverEnd = event.end;
          sink.seen(lsnText(serverEnd), lsnText(committer.received), new Date().toISOString());
          // A server that shuts down waits until all that it sent is acknowledged.
          if (event.answer) {
            acknowledge(false);
            committer.commitSoon();
          }
          break;
        case 'switched':
          await committer.flush();
          job.log('info', `The source went on to timeline ${event.timeline} at ${lsnText(event.start)}`);
          return { timeline: event.timeline, position: event.start };
      }
    }
    throw new RahatError('source_lost', 'The server ended the stream of its log');
  } catch (error) {
    // What came is the log, whatever became of the connection: kept, it need not be had again, and may not be to be had.
    await committer.flush();
    throw withSlotLoss(error, link.slotMade, place);
  } finally {
    clearInterval(ticks);
    await committer.drop();
  }
}

/** 58P01: "requested WAL segment … has already been removed". */
function withSlotLoss(error: unknown, slotMade: boolean, place: Place): unknown {
  const notice = serverNotice(error);
  if (notice?.code !== '58P01' || !/WAL/.test(notice.message)) return error;
  const why = slotMade ? 'The replication slot was gone or invalid' : 'The replication slot did not keep the log';
  return new LogGap(
    'slot_lost',
    `${why}, and the source has no more log from ${lsnText(place.position)} of timeline ${place.timeline} on: ${notice.message}`,
  );
}
