import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { RahatError, type ContentUpload } from '@rahat/contracts';

/** What a worker sends. */
export interface Arrival {
  body: IncomingMessage;
  /** Tells it that all of it arrived. */
  taken(): void;
  /** Ends its connection; that the body is destroyed would not, because Node keeps it for an answer. */
  breakOff(): void;
}

export interface Expected {
  upload: ContentUpload;
  arrival: Promise<Arrival>;
  /** Nobody waits for it any more. */
  forget(reason: RahatError): void;
}

/** What is kept for a worker, until it comes for it. */
export interface Offered {
  from: ContentUpload;
  /** The answer to its request; whoever offers writes it. */
  taken: Promise<ServerResponse>;
  /** It is offered no more. */
  forget(reason: RahatError): void;
}

export interface IntakeAddress {
  host: string;
  port: number;
  /** How workers reach it; absent = by host and port. */
  url: string | undefined;
}

/** Of a worker that sends nothing more. */
const SILENCE_MS = 120_000;

/**
 * A port for workers, apart from the API: each request there needs a ticket, which is good once, and for one who waits. Its address goes
 * with the ticket, so that the answer comes to the very process that asked, however many there are.
 */
@Injectable()
export class Intake implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly server: Server = createServer((request, response) => this.receive(request, response));
  private readonly waiting = new Map<string, { method: 'GET' | 'POST'; came(request: IncomingMessage, response: ServerResponse): void }>();
  private url = '';

  constructor(private readonly address: IntakeAddress) {
    this.server.requestTimeout = 0;
    this.server.setTimeout(SILENCE_MS, (socket) => socket.destroy());
  }

  async onApplicationBootstrap(): Promise<void> {
    const { host, port, url } = this.address;
    this.server.listen(port, host);
    await once(this.server, 'listening');
    this.url = url ?? `http://${host.includes(':') ? `[${host}]` : host}:${(this.server.address() as AddressInfo).port}/`;
  }

  async beforeApplicationShutdown(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  /** Something that a worker brings. */
  expect(): Expected {
    const { address, promise, forget } = this.wait<Arrival>('POST', (request, response) => {
      const { socket } = request;
      return { body: request, taken: () => response.writeHead(204).end(), breakOff: () => void socket.destroy() };
    });
    return { upload: address, arrival: promise, forget };
  }

  /** Something that a worker fetches. */
  offer(): Offered {
    const { address, promise, forget } = this.wait<ServerResponse>('GET', (_request, response) => response);
    return { from: address, taken: promise, forget };
  }

  private wait<T>(method: 'GET' | 'POST', comes: (request: IncomingMessage, response: ServerResponse) => T) {
    const ticket = randomBytes(32).toString('base64url');
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    promise.catch(() => undefined);
    const key = keyOf(ticket);
    this.waiting.set(key, { method, came: (request, response) => resolve(comes(request, response)) });
    const forget = (reason: RahatError): void => {
      this.waiting.delete(key);
      reject(reason);
    };
    return { address: { url: this.url, ticket }, promise, forget };
  }

  private receive(request: IncomingMessage, response: ServerResponse): void {
    const key = keyOf(request.headers.authorization?.replace(/^Bearer /, '') ?? '');
    const waiting = this.waiting.get(key);
    if (waiting?.method !== request.method) {
      response.writeHead(404, { connection: 'close' }).end();
      return;
    }
    this.waiting.delete(key);
    waiting?.came(request, response);
  }
}

/** Compared by hash, so that the time of a look-up tells nothing of a ticket. */
function keyOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64');
}
