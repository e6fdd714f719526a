import net from 'node:net';
import tls from 'node:tls';
import { RahatError } from '@rahat/contracts';
import { dialled, tlsOptions, type RoutedConnection } from '../../reach/index.js';
import { LentReads } from './lent-reads.js';
import { TLS_REQUEST } from './messages.js';

const CONNECT_LIMIT_MS = 20_000;

export interface OpenedSocket {
  socket: net.Socket;
  /** What comes, lent until more is asked for. */
  bytes: AsyncIterator<Buffer>;
  encrypted: boolean;
}

/** Reaches the server, and turns on TLS as the connection asks for. */
export async function openSocket(connection: RoutedConnection, signal: AbortSignal): Promise<OpenedSocket> {
  const where = `${connection.host}:${connection.port}`;
  if (connection.host.startsWith('/') || connection.tls === 'disable') return openPlain(connection, where, signal);
  const plain = net.connect(dialled(connection));
  try {
    await connected(plain, where, signal);
    plain.write(TLS_REQUEST);
    const answer = await firstByte(plain, where, signal);
    if (answer === 'S') {
      const socket = await encrypt(plain, connection, where, signal);
      return { socket, bytes: socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>, encrypted: true };
    }
    if (answer === 'N' && connection.tls === 'prefer') {
      plain.destroy();
      return await openPlain(connection, where, signal);
    }
    throw new RahatError('source_unreachable', `The server at ${where} does not offer TLS, which this connection requires`, {
      hint: 'Turn on ssl in postgresql.conf, or set TLS to "prefer" for a network that you trust.',
      retryable: false,
    });
  } catch (error) {
    plain.destroy();
    throw error;
  }
}

async function openPlain(connection: RoutedConnection, where: string, signal: AbortSignal): Promise<OpenedSocket> {
  const { host, port } = connection;
  const bytes = new LentReads(host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : dialled(connection));
  const { socket } = bytes;
  try {
    await connected(socket, where, signal);
    return { socket, bytes, encrypted: false };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function connected(socket: net.Socket, where: string, signal: AbortSignal): Promise<void> {
  await settled(socket, 'connect', where, signal);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 30_000);
}

async function encrypt(plain: net.Socket, connection: RoutedConnection, where: string, signal: AbortSignal): Promise<net.Socket> {
  const secured = tls.connect({ socket: plain, ...tlsOptions(connection) });
  await settled(secured, 'secureConnect', where, signal);
  return secured;
}

async function firstByte(socket: net.Socket, where: string, signal: AbortSignal): Promise<string> {
  await settled(socket, 'readable', where, signal);
  // The answer is one byte; what could follow belongs to TLS.
  const bytes = socket.read(1) as Buffer | null;
  return bytes?.toString('latin1') ?? '';
}

function settled(socket: net.Socket, event: 'connect' | 'readable' | 'secureConnect', where: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => {
      finish();
      const reason = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : String(cause);
      const code = (cause as NodeJS.ErrnoException).code ?? '';
      const untrusted = event === 'secureConnect' && !code.startsWith('ECONN');
      reject(
        new RahatError('source_unreachable', `The server at ${where} cannot be reached: ${reason}`, {
          cause,
          retryable: !untrusted,
          hint: untrusted
            ? 'The certificate does not fit. Give the authority that signed it, and the name that it was made for.'
            : reachHint(code),
        }),
      );
    };
    const done = () => {
      finish();
      resolve();
    };
    const abort = () => {
      finish();
      reject(cancelled(signal));
    };
    const closed = () => fail(new Error('the connection was closed'));
    const timer = setTimeout(() => fail(new Error(`no answer within ${CONNECT_LIMIT_MS / 1000} s`)), CONNECT_LIMIT_MS);
    const finish = () => {
      clearTimeout(timer);
      socket.off(event, done).off('error', fail).off('close', closed);
      signal.removeEventListener('abort', abort);
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    socket.once(event, done).once('error', fail).once('close', closed);
  });
}

function reachHint(code: string): string {
  if (code === 'ECONNREFUSED') return 'Nothing listens there. Check host and port, that the server runs, and its listen_addresses.';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'The name could not be resolved. Check the host name.';
  return 'Check host, port and firewall between the worker and the server.';
}

export function cancelled(signal: AbortSignal): RahatError {
  return signal.reason instanceof RahatError
    ? signal.reason
    : new RahatError('cancelled', 'The work was cancelled', { cause: signal.reason });
}
