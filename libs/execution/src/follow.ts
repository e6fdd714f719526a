import type { CommittedPiece, ConnectorSession, FollowEnd, PushedLogSink, PushedSegment, TimelineHistory } from '@rahat/connector-kit';
import {
  attemptLabel,
  type FollowEvidence,
  type FollowSpec,
  type LogBranch,
  type LogPosition,
  type LogRange,
  lsnOf,
  lsnText,
  RahatError,
  type RunSecrets,
} from '@rahat/contracts';
import type { LogFacts, StoredObject, WritableRepository } from '@rahat/repository';
import { connectorFor } from './connectors.js';
import { historyKey, logKey, LogObjectMeta, positionName } from './log-objects.js';
import { LogLag } from './log-lag.js';
import { LogSessions } from './log-sessions.js';
import { maskSecrets } from './mask-secrets.js';
import { connectorContext, type ExecutionOptions, jobOf, openRepositoryToWrite, sourceConnection } from './run-context.js';
import { storedBeyond } from './stored-beyond.js';

/** Told after each commit, when it is durable. */
export interface LogCommitted {
  stream: string;
  range: LogRange;
  /** Where the timelines that begin in it come from. */
  branches: LogBranch[];
  receivedLsn: string;
  serverLsn: string;
  identity: string;
}

type FollowWork = Omit<FollowSpec, 'version' | 'type' | 'noProgressSeconds' | 'sealedSecrets' | 'deadline'>;

/** What came before the end is still committed when a follower is told to end. */
const LAST_COMMIT_MS = 30_000;

/** Follows until the signal aborts, which is a good end, or until the log can't be had without a gap. */
export async function executeFollow(spec: FollowWork, secrets: RunSecrets, options: ExecutionOptions): Promise<FollowEvidence> {
  options.onProgress({ phase: 'opening repository', bytes: 0 });
  using storing = lastingSignal(options.signal);
  const repository = await openRepositoryToWrite(secrets, spec.repository, { ...options, signal: storing.signal });
  const connector = await connectorFor(spec.engine);
  await using source = await connector.open(sourceConnection(secrets), connectorContext(options));
  options.onProgress({ phase: 'checking rights', bytes: 0 });
  const foreseen = await source.preflightFollow(spec.way ?? 'follow');
  const blockers = foreseen.filter(({ severity }) => severity === 'blocker');
  if (blockers.length > 0)
    throw new RahatError('preflight_blocked', `The log can't be followed: ${blockers.map(({ message }) => message).join('; ')}`, {
      hint: `Run: ${blockers.flatMap(({ fix }) => fix ?? []).join(' ')}`,
    });
  const { identity, version } = await source.probe();
  const unheard = spec.from ? await storedBeyond(repository, { stream: spec.stream, from: spec.from }, storing.signal) : [];
  for (const range of unheard) {
    const { stream } = spec;
    options.onLogCommitted?.({
      stream,
      range,
      branches: [],
      receivedLsn: range.end,
      serverLsn: range.end,
      identity: spec.identity ?? identity,
    });
  }
  const last = unheard.at(-1);
  const from = last ? { timeline: last.timeline, lsn: last.end } : spec.from;
  await using sessions = new LogSessions(repository, { writer: options.workerName, signal: storing.signal });
  const order = { ...spec, from };
  const sink = new RepositoryLogSink(order, { identity: spec.identity ?? identity, version }, { repository, sessions }, options);
  const end = await followIn(source, { spec: order, found: identity, secrets }, sink, options);
  return {
    type: 'follow',
    repository: spec.repository,
    stream: spec.stream,
    end: endOf(end),
    ...sink.counts,
    addedBytes: sessions.addedBytes,
    serverIdentity: identity,
    serverVersion: version,
    findings: [...foreseen, ...end.findings],
  };
}

async function followIn(
  source: ConnectorSession,
  { spec, found, secrets }: { spec: FollowWork; found: string; secrets: RunSecrets },
  sink: RepositoryLogSink,
  options: ExecutionOptions,
): Promise<FollowEnd> {
  const request = { ...followOrder(spec), identity: spec.identity ?? found, label: attemptLabel(spec) };
  const job = jobOf(options, secrets);
  if (spec.way !== 'push') return source.follow(request, sink, job);
  if (request.identity !== found) {
    const message = `Another server answers: its system identifier is ${found}, not ${request.identity}`;
    return { reason: 'gap', gap: 'source_replaced', position: spec.from, message, findings: [] };
  }
  if (!options.pushedSegments)
    throw new RahatError('message_invalid', 'The log is pushed, and this worker has nowhere to take it from', {
      hint: 'Update the workers of this pool.',
    });
  return source.takePushed(request, masked(options.pushedSegments, secrets), sink, job);
}

/** What is said of a segment goes to whoever pushed it. */
async function* masked(segments: AsyncIterable<PushedSegment>, secrets: RunSecrets): AsyncGenerator<PushedSegment> {
  for await (const segment of segments)
    yield {
      name: segment.name,
      sizeBytes: segment.sizeBytes,
      open: () => segment.open(),
      settle: (verdict) => {
        if (verdict.outcome !== 'refused') return segment.settle(verdict);
        const { code, message, hint, retryable } = verdict.error;
        const error = new RahatError(code, maskSecrets(message, secrets), { hint: hint && maskSecrets(hint, secrets), retryable });
        segment.settle({ outcome: 'refused', error });
      },
    };
}

function followOrder({ stream, repository, slot, from, commitSeconds, heartbeatSeconds }: FollowWork) {
  return { stream, repository, slot, from, commitSeconds, heartbeatSeconds };
}

function endOf(end: FollowEnd): FollowEvidence['end'] {
  if (end.reason === 'stopped') return { reason: 'stopped', position: end.position };
  return { reason: 'gap', gap: end.gap, position: end.position, message: end.message };
}

/** Aborts a while after `signal` does. */
function lastingSignal(signal: AbortSignal): { signal: AbortSignal } & Disposable {
  const lasting = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer = setTimeout(() => lasting.abort(signal.reason), LAST_COMMIT_MS);
  };
  if (signal.aborted) lasting.abort(signal.reason);
  signal.addEventListener('abort', begin, { once: true });
  return {
    signal: lasting.signal,
    [Symbol.dispose]: () => {
      signal.removeEventListener('abort', begin);
      clearTimeout(timer);
    },
  };
}

class RepositoryLogSink implements PushedLogSink {
  readonly counts = { commits: 0, bytes: 0 };
  private committedLsn?: string;
  private server = { lsn: '0/0', receivedLsn: '0/0' };
  private readonly lag = new LogLag();
  private toldAt = 0;

  constructor(
    private readonly spec: FollowWork,
    private readonly identified: { identity: string; version: string },
    private readonly target: { repository: WritableRepository; sessions: LogSessions },
    private readonly options: ExecutionOptions,
  ) {
    // Followed log comes at once; of pushed log what is missing is seen sooner than what comes.
    if (spec.way !== 'push' || !spec.from) return;
    this.committedLsn = spec.from.lsn;
    this.lag.committed(lsnOf(spec.from.lsn));
  }

  async commit(
    start: LogPosition,
    body: AsyncIterable<Uint8Array>,
    range: () => LogRange,
    histories: readonly TimelineHistory[],
  ): Promise<void> {
    const { stream } = this.spec;
    let described: LogRange | undefined;
    await this.target.sessions.use(async (session) => {
      const objects: StoredObject[] = [];
      objects.push(
        await session.writeObject({ key: logKey(start.timeline, start.lsn), kind: 'log', order: 1, class: 'log' }, body, () => {
          described = range();
          return { meta: { timeline: described.timeline, start: described.start, end: described.end } };
        }),
      );
      for (const { branch, content } of histories) {
        const { timeline } = branch;
        const description = { key: historyKey(timeline), kind: 'file', order: objects.length + 1, class: 'small' } as const;
        objects.push(await session.writeObject(description, once(content), () => ({ meta: { timeline } })));
      }
      if (!described) throw new RahatError('internal', 'A range of the log was stored, and nobody knows which');
      const names = { first: positionName(described.timeline, described.start), last: positionName(described.timeline, described.end) };
      const manifest = await session.commitLog(stream, names, this.facts(described), objects);
      this.counts.commits++;
      this.counts.bytes += manifest.sizeBytes;
    });
    if (!described) return;
    this.committedLsn = described.end;
    this.lag.committed(lsnOf(described.end));
    this.report(
      described,
      histories.map(({ branch }) => branch),
    );
    this.tell();
  }

  known(range: LogRange): void {
    this.report(range, []);
  }

  async committed(timeline: number, start: bigint, end: bigint): Promise<CommittedPiece[]> {
    const pieces: CommittedPiece[] = [];
    const { stream } = this.spec;
    for await (const listing of this.target.repository.logs({ stream, from: positionName(timeline, lsnText(start)) })) {
      // What can't be read is had once more.
      if (!listing.ok) continue;
      for (const { kind, meta, sha256 } of listing.manifest.objects) {
        const held = LogObjectMeta.safeParse(meta);
        if (kind !== 'log' || !held.success || held.data.timeline !== timeline) continue;
        const piece = { timeline, start: lsnOf(held.data.start), end: lsnOf(held.data.end), sha256 };
        if (piece.start < end && piece.end > start) pieces.push(piece);
      }
    }
    return pieces;
  }

  private report(range: LogRange, branches: LogBranch[]): void {
    this.options.onLogCommitted?.({
      stream: this.spec.stream,
      range,
      branches,
      receivedLsn: laterOf(this.server.receivedLsn, range.end),
      serverLsn: laterOf(this.server.lsn, range.end),
      identity: this.identified.identity,
    });
  }

  seen(serverLsn: string, receivedLsn: string): void {
    this.server = { lsn: serverLsn, receivedLsn };
    this.lag.written(lsnOf(serverLsn), Date.now());
    this.tell();
  }

  private tell(): void {
    const { lsn, receivedLsn } = this.server;
    const lagBytes = this.committedLsn === undefined ? 0n : lsnOf(lsn) - lsnOf(this.committedLsn);
    const now = Date.now();
    if (now - this.toldAt < 1_000) return;
    this.toldAt = now;
    this.options.onProgress({
      phase: 'following',
      object: lsn,
      bytes: this.counts.bytes,
      addedBytes: this.target.sessions.addedBytes,
      log: {
        receivedLsn,
        committedLsn: this.committedLsn,
        serverLsn: lsn,
        lagBytes: Number(lagBytes > 0n ? lagBytes : 0n),
        lagSeconds: this.lag.secondsAt(now),
      },
    });
  }

  private facts(range: LogRange): LogFacts {
    const { run, attempt, organization, server, engine } = this.spec;
    return {
      run,
      attempt,
      organization,
      server: { id: server.id, name: server.name, ...this.identified },
      engine,
      range,
      consistentAt: new Date().toISOString(),
      tool: this.spec.way === 'push' ? 'archive_command' : 'native replication client',
      findings: [],
    };
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function laterOf(left: string, right: string): string {
  return lsnOf(left) > lsnOf(right) ? left : right;
}
