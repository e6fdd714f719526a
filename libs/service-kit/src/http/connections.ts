import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { newId, RahatError, type ErrorCode } from '@rahat/contracts';
import { problemOf } from './problem.js';

/** Slow clients hold a connection for no longer than this before all of their request is there. */
const HEADERS_TIMEOUT_MS = 20_000;
const REQUEST_TIMEOUT_MS = 60_000;
/**
 * A person opens the next page after some seconds, and a proxy in front keeps its connections for a minute: whoever closes first must not be
 * us, or a request meets a connection that is just being closed.
 */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** How often both are looked at; Node.js would do it every 30 s. */
const LOOK_EVERY_MS = 2_000;
/** Beyond that new ones are closed at once; each costs memory and a file descriptor. */
const MOST_CONNECTIONS = 20_000;
/** Who has the answer before all of the request was sent gets so long to see it and stop; closed at once it might never see it. */
const STOP_SENDING_WITHIN_MS = 2_000;

const CODES: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'payload_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** What no handler ever sees is limited, and answered like everything else. */
export function guardConnections(server: Server): void {
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  Object.assign(server, { connectionsCheckingInterval: LOOK_EVERY_MS });
  server.maxConnections = MOST_CONNECTIONS;
  server.on('request', cutOffLateBody);
  server.on('clientError', (error: Error & { code?: string }, socket) => answerUnreadable(error, socket));
}

function cutOffLateBody(request: IncomingMessage, response: ServerResponse): void {
  response.once('finish', () => {
    if (request.complete) return;
    setTimeout(() => request.complete || request.destroy(), STOP_SENDING_WITHIN_MS).unref();
  });
}

function answerUnreadable({ code = '' }: { code?: string }, socket: Duplex): void {
  // A second answer on a connection whose first one is under way would be read as a part of that.
  const busy = (socket as Duplex & { _httpMessage?: { headersSent?: boolean } })._httpMessage?.headersSent === true;
  if (code === 'ECONNRESET' || !socket.writable || busy) return void socket.destroy();
  const message = code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'The request took too long to arrive.' : 'The request is not HTTP as it should be.';
  answerAndHangUp(socket, new RahatError(CODES[code] ?? 'malformed_request', message));
}

/** For a connection that no handler sees. */
export function answerAndHangUp(socket: Duplex, error: RahatError): void {
  const requestId = newId('request');
  const problem = problemOf(error, requestId);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  setTimeout(() => socket.destroy(), STOP_SENDING_WITHIN_MS).unref();
}
