import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { type PostgresqlConnection, RahatError, type SshTunnel } from '@rahat/contracts';
import type ssh2 from 'ssh2';
import type { RoutedConnection } from './routed-connection.js';

const READY_LIMIT_MS = 20_000;
const KEEPALIVE_MS = 15_000;
/** So many unanswered ones, and the tunnel is lost. */
const KEEPALIVES_MISSED = 4;

interface ReachedConnection {
  routed: RoutedConnection;
  close(): Promise<void>;
}

/**
 * Opens the tunnel that the connection asks for; without one the connection stays as it is. The near end is a port of 127.0.0.1, for
 * as long as the session lives: our own clients and PostgreSQL's tools go in there and meet the server's own TLS and log-in.
 */
export async function throughTunnel(connection: PostgresqlConnection, signal: AbortSignal): Promise<ReachedConnection> {
  if (!connection.ssh) return { routed: connection, close: () => Promise.resolve() };
  if (connection.host.startsWith('/'))
    throw new RahatError('invalid_input', 'A socket in a folder cannot be reached through an SSH host', {
      hint: 'Give the host and port at which PostgreSQL listens as the SSH host sees them, for example localhost:5432.',
    });
  const startedAt = performance.now();
  // Few connections need it, and every run would wait for it to be loaded.
  const { Client } = (await import('ssh2')).default;
  const client = new Client();
  const abort = (): void => void client.destroy();
  signal.addEventListener('abort', abort, { once: true });
  const close = async (): Promise<void> => {
    signal.removeEventListener('abort', abort);
    client.destroy();
    await Promise.resolve();
  };
  try {
    await logIn(client, connection.ssh, connection.sshKey, signal);
    (await forwarded(client, connection)).destroy();
    const near = await listen(client, connection);
    const { port } = near.address() as net.AddressInfo;
    const route = { host: '127.0.0.1', port, openedInMs: Math.round(performance.now() - startedAt) };
    return { routed: { ...connection, route }, close };
  } catch (error) {
    await close();
    signal.throwIfAborted();
    throw error;
  }
}

async function logIn(client: ssh2.Client, ssh: SshTunnel, privateKey: string | undefined, signal: AbortSignal): Promise<void> {
  const place = `${ssh.user}@${ssh.host}:${ssh.port}`;
  if (privateKey === undefined)
    throw new RahatError('invalid_input', `There is no private key for the SSH host ${place}`, {
      hint: 'Save the key beside the address.',
    });
  // A tunnel that breaks later shows in the connections that go through it.
  client.on('error', () => undefined);
  let seenKey: string | undefined;
  try {
    signal.throwIfAborted();
    const ready = once(client, 'ready', { signal });
    // `end` without `ready` is no event that `once` would reject for.
    const ended = once(client, 'close').then(() => {
      throw new Error('the connection was closed');
    });
    ended.catch(() => undefined);
    client.connect({
      host: ssh.host,
      port: ssh.port,
      username: ssh.user,
      privateKey,
      readyTimeout: READY_LIMIT_MS,
      keepaliveInterval: KEEPALIVE_MS,
      keepaliveCountMax: KEEPALIVES_MISSED,
      hostVerifier: (key: Buffer) => {
        seenKey = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
        return seenKey === ssh.hostKey;
      },
    });
    await Promise.race([ready, ended]);
  } catch (error) {
    if (seenKey !== undefined && seenKey !== ssh.hostKey) throw otherHost(place, ssh.hostKey, seenKey);
    throw sshError(place, error);
  }
}

function otherHost(place: string, pinned: string, seen: string): RahatError {
  return new RahatError('source_unreachable', `The SSH host ${place} shows another key than the pinned one; nothing was told to it`, {
    retryable: false,
    hint: `Pinned is ${pinned}, it shows ${seen}. Ask who runs it whether the key was changed, compare there with ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, then save the new one.`,
  });
}

function sshError(place: string, cause: unknown): RahatError {
  const { message, level } = cause as Error & { level?: string };
  if (level === 'client-authentication')
    return new RahatError('source_authentication_failed', `The SSH host ${place} refused our key`, {
      cause,
      hint: 'Put its public half into authorized_keys of that user; port forwarding must be allowed (permitopen, AllowTcpForwarding).',
    });
  if (/private ?key|passphrase/i.test(message))
    return new RahatError('invalid_input', `The private key for the SSH host ${place} cannot be used: ${message}`, {
      cause,
      hint: 'Give an unencrypted key in PEM or OpenSSH form; it is kept sealed. ssh-keygen -p -N "" -f <copy of the key> takes a passphrase away.',
    });
  return new RahatError('source_unreachable', `The SSH host ${place} cannot be reached: ${message}`, {
    cause,
    hint: 'Check host, port and firewall between the worker and the SSH host.',
  });
}

function forwarded(client: ssh2.Client, { host, port, ssh }: PostgresqlConnection): Promise<ssh2.ClientChannel> {
  return new Promise((resolve, reject) => {
    client.forwardOut('127.0.0.1', 0, host, port, (cause, channel) => {
      if (!cause) return resolve(channel);
      reject(
        new RahatError('source_unreachable', `The SSH host ${ssh?.host} could not reach ${host}:${port}: ${cause.message}`, {
          cause,
          hint: 'Check that PostgreSQL listens there as the SSH host sees it, and that the host allows forwarding to it.',
        }),
      );
    });
  });
}

/** Each connection to the near end becomes a channel of its own; one that can't is closed at once. */
async function listen(client: ssh2.Client, connection: PostgresqlConnection): Promise<net.Server> {
  const near = net.createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => undefined);
    forwarded(client, connection).then(
      (channel) => {
        channel.on('error', () => socket.destroy()).on('close', () => socket.destroy());
        socket.on('close', () => channel.destroy());
        socket.pipe(channel).pipe(socket);
        socket.resume();
      },
      () => socket.destroy(),
    );
  });
  client.on('close', () => near.close());
  near.listen(0, '127.0.0.1');
  await once(near, 'listening');
  return near;
}
