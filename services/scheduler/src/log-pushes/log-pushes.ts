import type { IncomingMessage } from 'node:http';
import { parseLogFileName, RahatError, type LogFileName, type LogPushVerdict } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { recordOwnAct } from '../trail/trail.js';
import type { Handover, Handovers } from './handover.js';
import type { LogPushTokens, Pusher } from './log-push-tokens.js';
import { passOn } from './pass-on.js';
import { forgetRefusal, historiesFor, keepHistory, noteRefusal, pushedStreamsOf, type PushedStream } from './pushed-streams.js';

/** Until the follower comes for a segment, which may wait behind another one. */
const TURN_MS = 40_000;
/** From the last byte to the commit. Together they are less than a pusher waits, and a gateway. */
const COMMIT_MS = 50_000;
/** A line for each promotion that a server ever had. */
const LONGEST_HISTORY_BYTES = 32 * 1024;
/** What is wrong with the segment itself stays so, and its server keeps all later log behind it. */
const LASTING = new Set(['log_segment_differs', 'log_segment_foreign', 'log_segment_damaged']);

export type Pushed = 'stored' | 'known';

interface Push {
  file: string;
  body: IncomingMessage;
  /** Who pushes has left. */
  gone: AbortSignal;
}

/** What servers push of their log: answered when it is durable, and not before. */
export class LogPushes {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly tokens: LogPushTokens,
    private readonly handovers: Handovers,
    private readonly clock: Clock,
  ) {}

  async take(authorization: string | undefined, push: Push): Promise<Pushed> {
    const pusher = await this.tokens.pusherOf(authorization);
    const named = parseLogFileName(push.file);
    if (!named) throw new RahatError('invalid_input', `"${push.file}" is no file of PostgreSQL's log`);
    switch (named.kind) {
      case 'backup':
      case 'partial':
        // Whatever of a partial segment is anybody's way on stands in the new timeline's own; nobody went on from the rest.
        await readUpTo(push.body, Infinity);
        return 'known';
      case 'history':
        return this.takeHistory(pusher, push, named.timeline);
      case 'segment':
        return this.takeSegment(pusher, push, named);
    }
  }

  private async takeHistory(pusher: Pusher, { file, body }: Push, timeline: number): Promise<Pushed> {
    const content = await readUpTo(body, LONGEST_HISTORY_BYTES);
    if (!/^\s*\d+\s+[0-9A-F]+\/[0-9A-F]+/im.test(content.toString('utf8')))
      throw new RahatError('log_segment_damaged', `${file} does not say where timeline ${timeline} comes from`);
    return this.database.inOrganization(pusher.organization, async (transaction) => {
      const streams = await pushedStreamsOf(transaction, pusher);
      let kept = false;
      for (const stream of streams)
        if (await keepHistory(transaction, stream, { file, timeline, content, at: this.clock.now() })) kept = true;
      return kept ? 'stored' : 'known';
    });
  }

  private async takeSegment(pusher: Pusher, push: Push, { timeline }: LogFileName & { kind: 'segment' }): Promise<Pushed> {
    const sizeBytes = Number(push.body.headers['content-length']);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1)
      throw new RahatError('log_segment_damaged', `${push.file} came without its size`, { hint: 'Send a Content-Length.' });
    const goals = await this.database.inOrganization(pusher.organization, async (transaction) => {
      const streams = await pushedStreamsOf(transaction, pusher);
      return Promise.all(streams.map(async (stream) => ({ stream, histories: await historiesFor(transaction, stream.id, timeline) })));
    });
    const begun = await Promise.allSettled(goals.map(({ stream }) => this.handovers.begin(stream, push.file, sizeBytes)));
    const failed = begun.find((each) => each.status === 'rejected');
    const handovers = begun.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const forgetAll = (reason: RahatError): void => handovers.forEach((handover) => handover.forget(reason));
    const leave = (): void => forgetAll(new RahatError('cancelled', 'Who pushed the segment has left'));
    push.gone.addEventListener('abort', leave, { once: true });
    try {
      if (failed) throw failed.reason;
      const histories = goals.map((goal) =>
        goal.histories.map(({ timeline: of, content }) => ({ timeline: of, content: content.toString('base64') })),
      );
      const verdicts = await this.verdictsOf(push, sizeBytes, handovers, histories);
      return await this.conclude(
        push.file,
        goals.map(({ stream }) => stream),
        verdicts,
      );
    } catch (error) {
      forgetAll(RahatError.from(error));
      throw error;
    } finally {
      push.gone.removeEventListener('abort', leave);
    }
  }

  private async verdictsOf(
    { body, file }: Push,
    sizeBytes: number,
    handovers: readonly Handover[],
    histories: readonly { timeline: number; content: string }[][],
  ): Promise<LogPushVerdict[]> {
    const taken = await within(TURN_MS, Promise.all(handovers.map((handover) => handover.taken)), `${file} waited too long for its turn`);
    const takers = taken.flatMap((response, index) => (response ? [{ response, histories: histories[index]! }] : []));
    const verdicts = Promise.all(handovers.map(({ verdict }) => verdict));
    verdicts.catch(() => undefined);
    // A follower that dies, or refuses early, ends it before the last byte.
    await Promise.race([takers.length > 0 ? passOn(body, sizeBytes, takers) : undefined, verdicts]);
    return within(COMMIT_MS, verdicts, `${file} was not committed in time`);
  }

  /** Good only when it is so in all streams. */
  private async conclude(file: string, streams: readonly PushedStream[], verdicts: readonly LogPushVerdict[]): Promise<Pushed> {
    let refusal: RahatError | undefined;
    for (const [index, verdict] of verdicts.entries()) {
      const stream = streams[index]!;
      if (verdict.outcome !== 'refused') {
        if (stream.push_refused)
          await this.database.inOrganization(stream.organization_id, (transaction) => forgetRefusal(transaction, stream));
        continue;
      }
      const error = RahatError.deserialize(verdict.error as Parameters<typeof RahatError.deserialize>[0]);
      if (LASTING.has(error.code)) await this.tellRefusal(stream, file, error);
      refusal ??= error;
    }
    if (refusal) throw refusal;
    return verdicts.some(({ outcome }) => outcome === 'stored') ? 'stored' : 'known';
  }

  private async tellRefusal(stream: PushedStream, file: string, error: RahatError): Promise<void> {
    await this.database.inOrganization(stream.organization_id, async (transaction) => {
      if (!(await noteRefusal(transaction, stream, file, error.serialize(), this.clock.now()))) return;
      await recordOwnAct(this.outbox, transaction, stream.organization_id, {
        action: 'log.push_refused',
        target: { kind: 'server', id: stream.server_id },
        details: { stream: stream.id, file, code: error.code, message: error.message },
      });
    });
  }
}

async function readUpTo(body: IncomingMessage, mostBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > mostBytes) throw new RahatError('payload_too_large', `The file has more than ${mostBytes} bytes`);
    if (mostBytes !== Infinity) parts.push(part);
  }
  return Buffer.concat(parts);
}

async function within<T>(ms: number, work: Promise<T>, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RahatError('unavailable', message, { hint: 'The server pushes it again by itself.' })), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
