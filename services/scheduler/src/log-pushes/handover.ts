import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { LOG_PUSHED, LogPushVerdict, RahatError, type LogPushOrder, type LogPushSignal } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';
import { sealFor } from '@rahat/secrets';
import type { Arrival, Intake } from '../contents/intake.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import type { PushedStream } from './pushed-streams.js';

/** A follower that is there answers within this, whatever it is at. */
const FOLLOWER_ANSWERS_MS = 10_000;

/** One segment on its way to the follower of one stream. */
export interface Handover {
  /** Resolves when it comes for the segment, or with undefined when it says before what becomes of it. */
  taken: Promise<ServerResponse | undefined>;
  /** Rejects when the worker dies, or `forget` is called. */
  verdict: Promise<LogPushVerdict>;
  forget(reason: RahatError): void;
}

/** Workers are not called: a signal tells the follower that a segment waits in this very process, and it comes for it. */
export class Handovers {
  constructor(
    private readonly messaging: Messaging,
    private readonly intake: Intake,
    private readonly secrets: ServerSecrets,
  ) {}

  async begin(stream: PushedStream, file: string, sizeBytes: number): Promise<Handover> {
    const { run, attempt, pool } = stream;
    if (run === null || attempt === null) throw nobodyFollows();
    const offered = this.intake.offer();
    const expected = this.intake.expect();
    const order: LogPushOrder = { file, sizeBytes, take: offered.from, answer: expected.upload };
    const binding = randomUUID();
    const sealedOrder = await sealFor(this.secrets.publicKeyOf(pool), JSON.stringify(order), binding);
    const signal: LogPushSignal = { run, attempt, binding, sealedOrder };
    const silent = setTimeout(() => expected.forget(nobodyFollows()), FOLLOWER_ANSWERS_MS);
    const ends: (() => void)[] = [() => clearTimeout(silent)];
    const verdict = verdictIn(expected.arrival, (breakOff) => {
      clearTimeout(silent);
      ends.push(breakOff);
    });
    // A proxy between may hold the answer back until it ends.
    const came = (response: ServerResponse): void => {
      clearTimeout(silent);
      ends.push(() => void response.socket?.destroy());
    };
    offered.taken.then(came, () => undefined);
    const taken = Promise.race([offered.taken, verdict.then(() => undefined)]);
    taken.catch(() => undefined);
    // A follower may refuse what it never came for.
    const over = (): void => offered.forget(new RahatError('cancelled', 'The segment is settled'));
    void verdict.then(over, over);
    const forget = (reason: RahatError): void => {
      offered.forget(reason);
      expected.forget(reason);
      for (const end of ends) end();
    };
    try {
      await this.messaging.signal(LOG_PUSHED, signal);
    } catch (error) {
      forget(RahatError.from(error));
      throw error;
    }
    return { taken, verdict, forget };
  }
}

async function verdictIn(arrival: Promise<Arrival>, began: (breakOff: () => void) => void): Promise<LogPushVerdict> {
  const { body, taken, breakOff } = await arrival;
  began(breakOff);
  const told = LogPushVerdict.parse(await json(body).catch((cause: unknown) => Promise.reject(lost(cause))));
  taken();
  return told;
}

function nobodyFollows(): RahatError {
  return new RahatError('unavailable', 'No worker takes the log of this server at the moment', {
    hint: 'The server keeps its log, and pushes it again by itself. See "rahat-backup server windows" for why.',
  });
}

function lost(cause: unknown): RahatError {
  return new RahatError('unavailable', 'The worker was lost while it took the segment', {
    cause,
    hint: 'The server pushes it again by itself.',
  });
}
