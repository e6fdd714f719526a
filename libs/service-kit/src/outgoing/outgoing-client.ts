import { lookup as resolve, type LookupAddress } from 'node:dns';
import http, { type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import { isIP, type BlockList } from 'node:net';
import { RahatError } from '@rahat/contracts';
import { isIn, isPublic, networks } from './addresses.js';

export interface OutgoingRequest {
  url: string;
  method: 'GET' | 'POST' | 'PUT';
  headers?: Record<string, string>;
  body?: string;
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface OutgoingAnswer {
  status: number;
  /** At most its beginning. */
  text: string;
}

type Resolve = (host: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;

const KEPT_BYTES = 16_384;
const byDns: Resolve = (host, done) => resolve(host, { all: true, verbatim: true }, done);

/**
 * The only way to an address that a user named (design.md §8). Each address that a name stands for is checked, and the connection goes to
 * a checked one: a name that points elsewhere a moment later changes nothing. Redirects are answers, not followed.
 */
export class OutgoingClient {
  private readonly allowedNetworks: BlockList;
  private readonly allowedHosts: ReadonlySet<string>;

  /** `allow`: hosts, addresses and networks that may be called although they are not public. */
  constructor(
    allow: readonly string[] = [],
    private readonly resolve: Resolve = byDns,
  ) {
    const isNetwork = (entry: string) => isIP(entry.split('/')[0]!) !== 0;
    this.allowedNetworks = networks(allow.filter(isNetwork));
    this.allowedHosts = new Set(allow.filter((entry) => !isNetwork(entry)).map((host) => host.toLowerCase()));
  }

  async send(request: OutgoingRequest): Promise<OutgoingAnswer> {
    return this.ask(request, async (answer) => ({ status: answer.statusCode!, text: await beginningOf(answer) }));
  }

  /** For libraries that are given a `fetch`: the whole answer, or an error when it is longer than `mostBytes`. */
  async fetch(request: OutgoingRequest, { mostBytes }: { mostBytes: number }): Promise<Response> {
    return this.ask(request, async (answer) => {
      const body = await wholeOf(answer, mostBytes);
      const headers = Object.entries(answer.headers).flatMap(([name, value]) =>
        (Array.isArray(value) ? value : [value ?? '']).map((one): [string, string] => [name, one]),
      );
      const status = answer.statusCode!;
      return new Response([204, 205, 304].includes(status) ? null : new Uint8Array(body), { status, headers });
    });
  }

  /** Whether the operator named this host: then it may be called although it is private, and without TLS. */
  isNamed(host: string): boolean {
    const literal = host.replace(/^\[(.*)\]$/, '$1');
    return this.allowedHosts.has(host.toLowerCase().replace(/\.$/, '')) || (isIP(literal) !== 0 && isIn(this.allowedNetworks, literal));
  }

  private async ask<T>(request: OutgoingRequest, read: (answer: IncomingMessage) => Promise<T>): Promise<T> {
    const url = this.checked(request.url);
    const deadline = AbortSignal.timeout(request.timeoutMs);
    const signal = request.signal ? AbortSignal.any([request.signal, deadline]) : deadline;
    try {
      return await read(await this.exchange(url, request, signal));
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      if (deadline.aborted) throw new RahatError('deadline_exceeded', `${url.host} did not answer within ${request.timeoutMs / 1000} s`);
      if (error instanceof RahatError) throw error;
      throw new RahatError(
        'unavailable',
        `${url.host} cannot be reached: ${(error as NodeJS.ErrnoException).code ?? 'the connection broke'}`,
        { cause: error },
      );
    }
  }

  /** A literal address never meets the resolver; URL has written decimal, octal and hexadecimal forms out by now. */
  private checked(text: string): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
      throw new RahatError('outgoing_refused', 'This is no http or https address');
    const literal = url.hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(literal) !== 0 && !this.allows(url.hostname, literal)) throw refused(url.hostname);
    return url;
  }

  private allows(host: string, address: string): boolean {
    return this.allowedHosts.has(host.toLowerCase().replace(/\.$/, '')) || isPublic(address) || isIn(this.allowedNetworks, address);
  }

  private exchange(url: URL, request: OutgoingRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const options: RequestOptions = {
      method: request.method,
      headers: {
        'user-agent': 'rahat-backup',
        ...request.headers,
        ...(request.body === undefined ? {} : { 'content-length': Buffer.byteLength(request.body) }),
      },
      signal,
      // A connection of its own: none that another request left open.
      agent: false,
      lookup: (host, { all }, done) => {
        this.resolve(host, (error, addresses) => {
          const wrong = addresses?.find(({ address }) => !this.allows(host, address));
          if (error || wrong || !addresses[0]) done(error ?? refused(host), '', 4);
          else if (all) done(null, addresses);
          else done(null, addresses[0].address, addresses[0].family);
        });
      },
    };
    return new Promise((answered, failed) => {
      const call = (url.protocol === 'https:' ? https : http).request(url, options, answered);
      call.on('error', failed);
      call.end(request.body);
    });
  }
}

async function beginningOf(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    pieces.push(piece);
    size += piece.length;
    if (size >= KEPT_BYTES) break;
  }
  answer.destroy();
  return Buffer.concat(pieces).subarray(0, KEPT_BYTES).toString('utf8');
}

async function wholeOf(answer: IncomingMessage, mostBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    pieces.push(piece);
    size += piece.length;
    if (size > mostBytes) throw new RahatError('unavailable', `The answer is longer than ${mostBytes} bytes`, { retryable: false });
  }
  return Buffer.concat(pieces);
}

function refused(host: string): RahatError {
  return new RahatError('outgoing_refused', `${host} is no public host, and is not allowed`, {
    hint: 'Who operates the worker can allow it in RAHAT_OUTGOING_ALLOW.',
  });
}
