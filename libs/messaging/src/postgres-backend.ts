import { setTimeout as sleep } from 'node:timers/promises';
import { runMigrations, withBackend, type Queue, type QueueEvents, type Worker } from 'bullmq';
import { RahatError } from '@rahat/contracts';
import { SteadyClient } from '@rahat/persistence';
import pg from 'pg';
import type { QueueBackend } from './queue-backend.js';
import { createReconnectingBackend } from './reconnecting-backend.js';
import { deliverSignal, encodeSignal, type SignalBus, type SignalListener } from './signal-bus.js';

const SCHEMA = 'bullmq';
const CONNECT_TIMEOUT_MS = 10_000;
const SENDING_CONNECTIONS = 4;
/** A worker's fetches, locks and results are short; it has one more connection of its own to listen on. */
const CONNECTIONS_PER_WORKER = 3;
/** pg_notify refuses 8,000 bytes and more. */
const LONGEST_SIGNAL_BYTES = 7_900;

export async function openPostgresBackend(url: string, prefix: string, onError: (error: Error) => void): Promise<QueueBackend> {
  const connection = {
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'rahat-queues',
    Client: SteadyClient,
  };
  await migrateQueues(connection);
  const { Queue: PostgresQueue, Worker: PostgresWorker, QueueEvents: PostgresQueueEvents } = withBackend(createReconnectingBackend);
  const sending = new pg.Pool({ ...connection, max: SENDING_CONNECTIONS, options: `-c search_path=${SCHEMA}` });
  sending.on('error', onError);
  return {
    losesNothing: true,
    queue: (name) => new PostgresQueue(name, { connection: sending }) as unknown as Queue,
    worker: (name, processor, options) =>
      new PostgresWorker(name, processor, {
        connection: { ...connection, schema: SCHEMA, max: CONNECTIONS_PER_WORKER },
        ...options,
      }) as unknown as Worker,
    queueEvents: (name) =>
      new PostgresQueueEvents(name, { connection: { ...connection, schema: SCHEMA, max: 1 } }) as unknown as QueueEvents,
    signals: postgresSignals(connection, sending, `${prefix}_signals`, onError),
    close: () => sending.end(),
  };
}

async function migrateQueues(connection: pg.ClientConfig): Promise<void> {
  const client = new SteadyClient(connection);
  try {
    await client.connect();
    const { rowCount: exists } = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [SCHEMA]);
    // PostgreSQL asks for CREATE on the database even when the schema exists; the queues' role hasn't got it.
    const query = (sql: string, values?: unknown[]) =>
      exists && sql.startsWith('CREATE SCHEMA') ? Promise.resolve({ rows: [], rowCount: 0 }) : client.query(sql, values);
    await runMigrations({ query } as unknown as Parameters<typeof runMigrations>[0], SCHEMA);
  } catch (cause) {
    throw new RahatError('unavailable', 'The queues in PostgreSQL could not be opened', { cause });
  } finally {
    await client.end().catch(() => undefined);
  }
}

function postgresSignals(connection: pg.ClientConfig, sending: pg.Pool, channel: string, onError: (error: Error) => void): SignalBus {
  const listeners = new Set<SignalListener>();
  const closed = new AbortController();
  let current: pg.Client | undefined;
  let listening: Promise<void> | undefined;

  async function connectOnce(): Promise<void> {
    const client = new pg.Client(connection);
    current = client;
    client.on('notification', ({ payload }) => deliverSignal(payload ?? '', listeners));
    client.on('error', onError);
    client.once('end', () => void (closed.signal.aborted || (listening = connectUntilDone())));
    try {
      await client.connect();
      await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      client.removeAllListeners('end');
      await client.end().catch(() => undefined);
      throw error;
    }
  }

  async function connectUntilDone(): Promise<void> {
    for (let delayMs = 50; !closed.signal.aborted; delayMs = Math.min(delayMs * 2, 2_000)) {
      try {
        return await connectOnce();
      } catch (error) {
        onError(error as Error);
        await sleep(delayMs, undefined, { signal: closed.signal }).catch(() => undefined);
      }
    }
  }

  return {
    async publish(topic, payload) {
      const text = encodeSignal(topic, payload);
      if (Buffer.byteLength(text) > LONGEST_SIGNAL_BYTES)
        throw new RahatError('internal', `The signal ${topic} is too long for PostgreSQL`);
      await sending.query('SELECT pg_notify($1, $2)', [channel, text]);
    },
    async listen(listener) {
      listeners.add(listener);
      listening ??= connectUntilDone();
      await listening;
    },
    async close() {
      closed.abort();
      await listening;
      await current?.end().catch(() => undefined);
    },
  };
}
