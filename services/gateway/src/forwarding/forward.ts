import {
  Agent,
  type IncomingMessage,
  request as openRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http';
import { Agent as SecureAgent, request as openSecureRequest } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import {
  ADDRESS_HEADER,
  addressesOf,
  bodyLimitOf,
  bodyTooLarge,
  isToldLarger,
  PRINCIPAL_HEADER,
  wasRefused,
  whenLarger,
  type PrincipalSigner,
} from '@rahat/service-kit';
import type { NextFunction, Request, Response } from 'express';
import { heldBody } from '../idempotency/held-body.js';
import { ownerOf, type Owner } from './owners.js';

/** A service that is just being restarted is waited for. */
const PATIENCE_MS = 10_000;
const KNOCK_AGAIN_MS = 100;

/** RFC 9110 §7.6.1: they belong to one connection and not to the message. */
const OF_ONE_CONNECTION = new Set([
  'expect',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const KEPT = { keepAlive: true, maxFreeSockets: 64 };

interface KeptConnections {
  'http:': Agent;
  'https:': SecureAgent;
}

/** Passes requests on to the service that owns their path; bodies and answers stream through, both ways. */
export class Forwarding {
  private readonly kept: KeptConnections = { 'http:': new Agent(KEPT), 'https:': new SecureAgent(KEPT) };

  constructor(
    private readonly config: object,
    private readonly principals: PrincipalSigner,
    private readonly requestIdOf: (request: Request) => string,
    /** A service that took a request and says nothing at all is stuck; streams begin at once. */
    private readonly firstByteTimeoutMs: number,
  ) {}

  readonly use = async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    const owner = ownerOf(request.originalUrl);
    if (owner === undefined) return next();
    const limit = bodyLimitOf(request.originalUrl);
    if (isToldLarger(request, limit)) throw bodyTooLarge(limit);
    const headers: OutgoingHttpHeaders = {
      ...withoutHopHeaders(request.headers),
      'x-request-id': this.requestIdOf(request),
      // A service that closed after its answer would reset what it had not read, and take the answer along.
      connection: 'keep-alive',
    };
    delete headers[ADDRESS_HEADER];
    // Elsewhere nobody asks where a caller comes from but for what the principal says.
    if (owner === 'auth' || headers[PRINCIPAL_HEADER] === undefined)
      headers[ADDRESS_HEADER] = await this.principals.signAddress(request.ip ?? 'unknown');
    if (hasNoBody(request)) return this.answerFrom(await this.askOverKept(owner, request, headers, response), response);
    const upstream = await this.connect(owner, request, headers);
    const answering = this.firstByteOf(upstream, owner);
    const held = heldBody(request);
    if (held !== undefined) return answerWhole(upstream.end(held), answering, response, owner);
    // Who hangs up takes no answer, and who is cut off got none: neither leaves the other side waiting.
    response.once('close', () => upstream.destroy());
    // A service may answer before it has read all, and then reads no more; its answer counts, and nobody hears of what came later.
    const answer = await Promise.race([answering, passOn(request, limit, upstream)]);
    return this.answerFrom(answer, response);
  };

  /** Not by `pipeline`, which takes longer for it than all else that a small answer needs here. */
  private answerFrom(answer: IncomingMessage, response: Response): void {
    response.writeHead(answer.statusCode!, withoutHopHeaders(answer.headers));
    // A stream of events may have nothing to say for long; what has a length comes with its headers.
    if (answer.headers['content-length'] === undefined) response.flushHeaders();
    // What breaks in the middle must not look complete.
    answer.once('error', () => response.destroy());
    answer.pipe(response);
  }

  /** A question without a body may be asked again: so it goes over a connection that is kept, though its other end may just have closed it. */
  private async askOverKept(owner: Owner, request: Request, headers: OutgoingHttpHeaders, response: Response): Promise<IncomingMessage> {
    for (const agent of [this.kept, undefined]) {
      const upstream = await this.connect(owner, request, headers, agent);
      response.once('close', () => upstream.destroy());
      const answering = this.firstByteOf(upstream, owner);
      upstream.end();
      try {
        return await answering;
      } catch (error) {
        if (!upstream.reusedSocket || request.destroyed || RahatError.from(error).code !== 'unavailable') throw error;
      }
    }
    throw unavailable(owner);
  }

  /** Nothing of the body is read before somebody listens, so any request may try another replica, or wait. */
  private async connect(owner: Owner, request: Request, headers: OutgoingHttpHeaders, agents?: KeptConnections): Promise<ClientRequest> {
    for (const until = Date.now() + PATIENCE_MS; ; await sleep(KNOCK_AGAIN_MS)) {
      for (const address of addressesOf(this.config, owner)) {
        try {
          return await connected(open(address, request, headers, agents));
        } catch (error) {
          if (!wasRefused(error)) throw unavailable(owner, error);
        }
      }
      if (request.destroyed || Date.now() >= until) throw unavailable(owner);
    }
  }

  private firstByteOf(upstream: ClientRequest, owner: Owner): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const timer = setTimeout(() => {
      reject(new RahatError('deadline_exceeded', `The service ${owner} did not answer in ${this.firstByteTimeoutMs / 1000} s.`));
      upstream.destroy();
    }, this.firstByteTimeoutMs);
    upstream.on('error', (error) => reject(unavailable(owner, error)));
    upstream.once('response', resolve);
    return promise.finally(() => clearTimeout(timer));
  }
}

function hasNoBody({ method, headers }: Request): boolean {
  return (
    (method === 'GET' || method === 'HEAD') && headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0'
  );
}

/** Of no told length: passed on up to the limit of its path; rejects when there is more. */
function passOn(request: Request, limit: number, upstream: ClientRequest): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  whenLarger(request, limit, () => {
    request.unpipe(upstream);
    upstream.destroy();
    request.resume();
    reject(bodyTooLarge(limit));
  });
  request.pipe(upstream);
  return promise;
}

/** The path goes as it came: resolved like a link, dots and slashes in it could lead to another one than its owner was found by. */
function open(
  address: string,
  { method, originalUrl: path }: Request,
  headers: OutgoingHttpHeaders,
  agents: KeptConnections | undefined,
): ClientRequest {
  const { protocol, hostname, port } = new URL(address);
  const isSecure = protocol === 'https:';
  const agent = agents?.[isSecure ? 'https:' : 'http:'] ?? false;
  const send = isSecure ? openSecureRequest : openRequest;
  return send({ hostname: hostname.replace(/^\[|\]$/g, ''), port, path, method, headers, agent });
}

function connected(upstream: ClientRequest): Promise<ClientRequest> {
  const { promise, resolve, reject } = Promise.withResolvers<ClientRequest>();
  upstream.once('error', reject);
  upstream.once('socket', (socket) => (socket.connecting ? socket.once('connect', () => resolve(upstream)) : resolve(upstream)));
  return promise;
}

/** A request that is made once is seen through, even when who asked has gone: they will ask again, for the answer. */
async function answerWhole(upstream: ClientRequest, answering: Promise<IncomingMessage>, response: Response, owner: Owner): Promise<void> {
  const answer = await answering;
  const body = await buffer(answer).catch((error: unknown) => {
    upstream.destroy();
    throw unavailable(owner, error);
  });
  response.writeHead(answer.statusCode!, withoutHopHeaders(answer.headers)).end(body);
}

function withoutHopHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const named = headers.connection?.split(',').map((name) => name.trim().toLowerCase()) ?? [];
  const kept: OutgoingHttpHeaders = {};
  for (const name in headers) if (!OF_ONE_CONNECTION.has(name) && !named.includes(name)) kept[name] = headers[name];
  return kept;
}

function unavailable(owner: Owner, cause?: unknown): RahatError {
  return new RahatError('unavailable', `The service ${owner} is not reachable`, {
    cause,
    hint: 'It may be restarting: try again in a moment.',
  });
}
