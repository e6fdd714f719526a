import type { IncomingMessage, Server as HttpServer } from 'node:http';
import { Logger } from '@nestjs/common';
import { LiveFollow, RahatError, type AuthenticatedSubject } from '@rahat/contracts';
import { Server } from 'socket.io';
import type { CredentialWatch } from '../front-door/credential-watch.js';
import type { SubjectCache } from '../front-door/subject-cache.js';
import type { RequestLimits } from '../limits/request-limits.js';
import { Following } from './following.js';
import { cutOff, type LiveServer, type LiveSocket, type SocketData } from './live-server.js';
import type { LiveUpstream } from './live-upstream.js';
import { addressOfUpgrade, credentialOfSocket, isLiveUpgrade, LIVE_PATH, refuseForeignOrigin } from './upgrade.js';

/** Clients only ever ask for something to follow. */
const LARGEST_MESSAGE_BYTES = 4_096;
/** To say who it is, once it is connected. */
const MUST_INTRODUCE_ITSELF_WITHIN_MS = 10_000;
const MESSAGES_AT_ONCE = 50;
const MESSAGES_COUNTED_FOR_MS = 10_000;
const FAREWELL_MS = 1_000;

export interface LiveSocketsParts {
  upstream: LiveUpstream;
  subjects: SubjectCache;
  watch: CredentialWatch;
  limits: RequestLimits;
  socketsPerUser: number;
  trustedProxies: number;
}

/** Live events over socket.io: who comes in is known, counted, and out again when its credential ends. */
export class LiveSockets {
  private readonly server: LiveServer;
  private readonly following: Following;
  private readonly open = new Map<string, number>();
  private readonly logger = new Logger('LiveSockets');
  private closing = false;

  constructor(private readonly parts: LiveSocketsParts) {
    this.server = new Server({
      path: LIVE_PATH,
      addTrailingSlash: false,
      serveClient: false,
      // Its frames are made once for all; a compressor for each socket would cost more memory than all else.
      transports: ['websocket'],
      perMessageDeflate: false,
      httpCompression: false,
      maxHttpBufferSize: LARGEST_MESSAGE_BYTES,
      connectTimeout: MUST_INTRODUCE_ITSELF_WITHIN_MS,
      allowRequest: (request, allow) => void this.admit(request).then(...answers(allow)),
    });
    const sockets = this.server.of('/');
    this.following = new Following(sockets, parts.upstream);
    sockets.use((socket, next) => void this.authenticate(socket).then(() => next(), refuse(next)));
    sockets.on('connection', (socket) => this.serve(socket));
  }

  get count(): number {
    return this.server.of('/').sockets.size;
  }

  /** Takes upgrades to its path and nothing else: a plain request there is answered like any other. */
  attach(http: HttpServer): void {
    Object.assign(http, { shouldUpgradeCallback: isLiveUpgrade });
    const answering = http.listeners('request') as ((...all: unknown[]) => void)[];
    this.server.attach(http, { destroyUpgrade: false });
    http.removeAllListeners('request');
    for (const answer of answering) http.on('request', answer);
  }

  /** Clients come back to another gateway, or to this one when it is up again. */
  close(): void {
    this.closing = true;
    this.following.end();
    const engine = this.server.engine as unknown as { clients: Record<string, LiveSocket['conn']>; close(): void } | undefined;
    const connections = Object.values(engine?.clients ?? {});
    engine?.close();
    setTimeout(() => connections.forEach(cutOff), FAREWELL_MS).unref();
  }

  private async admit(request: IncomingMessage): Promise<void> {
    if (this.closing) throw new RahatError('unavailable', 'This gateway is going down.');
    const { limits, trustedProxies } = this.parts;
    await limits.chargeUnseen([limits.address(addressOfUpgrade(request, trustedProxies))]);
    refuseForeignOrigin(request, trustedProxies);
  }

  private async authenticate(socket: LiveSocket): Promise<void> {
    const { subjects, limits, trustedProxies } = this.parts;
    const credential = credentialOfSocket(socket.request, socket.handshake.auth);
    if (credential.by === 'nothing') throw new RahatError('unauthenticated', 'Log in, or send a valid API key.');
    const address = addressOfUpgrade(socket.request, trustedProxies);
    const subject = await subjects.subjectOf({ credential: credential.text, address });
    await limits.chargeUnseen(limits.subject(subject, 'read'));
    this.refuseOneTooMany(subject);
    const known: SocketData = { subject, credential: credential.text, address, joining: new Set() };
    Object.assign(socket.data, known);
  }

  private serve(socket: LiveSocket): void {
    const { subject, credential, address } = socket.data;
    // Several may have been let in at once.
    if (this.isOneTooMany(subject)) return void socket.disconnect(true);
    this.open.set(subject.subject, this.openOf(subject) + 1);
    const unwatch = this.parts.watch.watch(credential, { address, began: subject, end: () => socket.disconnect(true) });
    socket.once('disconnect', () => {
      unwatch();
      const left = this.openOf(subject) - 1;
      if (left > 0) this.open.set(subject.subject, left);
      else this.open.delete(subject.subject);
    });
    let [since, messages] = [Date.now(), 0];
    socket.use((_message, next) => {
      if (Date.now() - since > MESSAGES_COUNTED_FOR_MS) [since, messages] = [Date.now(), 0];
      if (++messages > MESSAGES_AT_ONCE) socket.disconnect(true);
      else next();
    });
    socket.on('follow', (request, answer) => void this.answer(socket, request, answer, (asked) => this.following.follow(socket, asked)));
    socket.on(
      'unfollow',
      (request, answer) => void this.answer(socket, request, answer, (asked) => this.following.unfollow(socket, asked)),
    );
  }

  private async answer(socket: LiveSocket, request: unknown, answer: unknown, act: (asked: LiveFollow) => Promise<void>): Promise<void> {
    const tell = typeof answer === 'function' ? (answer as (told: object) => void) : () => undefined;
    try {
      const { limits } = this.parts;
      const asked = LiveFollow.safeParse(request ?? {});
      if (!asked.success) throw new RahatError('invalid_input', 'What is to be followed is not understood: { run?, lastEventId? }.');
      await limits.chargeUnseen([limits.address(socket.data.address), ...limits.subject(socket.data.subject, 'read')]);
      await act(asked.data);
      tell({ ok: true });
    } catch (error) {
      const told = toldOf(error);
      if (told.code === 'internal') this.logger.error({ err: error }, 'a socket could not follow');
      tell({ ok: false, error: told });
    }
  }

  private refuseOneTooMany(subject: AuthenticatedSubject): void {
    if (this.isOneTooMany(subject))
      throw new RahatError('rate_limited', `One user or API key has ${this.parts.socketsPerUser} connections at most.`);
  }

  private isOneTooMany(subject: AuthenticatedSubject): boolean {
    return this.openOf(subject) >= this.parts.socketsPerUser;
  }

  private openOf({ subject }: AuthenticatedSubject): number {
    return this.open.get(subject) ?? 0;
  }
}

function answers(allow: (error: string | null, success: boolean) => void): [() => void, (error: unknown) => void] {
  return [() => allow(null, true), (error) => allow(toldOf(error).message, false)];
}

function refuse(next: (error: Error) => void): (error: unknown) => void {
  return (error) => {
    const told = toldOf(error);
    next(Object.assign(new Error(told.message), { data: told }));
  };
}

/** As problems are told: nothing of what went wrong inside. */
function toldOf(error: unknown): { code: string; message: string; hint?: string } {
  const { code, message, hint } = RahatError.from(error);
  return code === 'internal' ? { code, message: 'Something went wrong inside Rahat Backup.' } : { code, message, hint };
}
