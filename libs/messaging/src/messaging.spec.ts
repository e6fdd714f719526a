import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { RahatError, type CommandPayload } from '@rahat/contracts';
import {
  keepSentMessages,
  messagingTables,
  openServiceDatabase,
  provisionDatabase,
  type ServiceDatabase,
  type Transaction,
} from '@rahat/persistence';
import { hasRedis, startPostgresql, startRedis, type PostgresqlServer, type RedisServer } from '@rahat/test-servers';
import { Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { openMessaging, type Messaging } from './index.js';

class CreateEffects1764000000000 implements MigrationInterface {
  name = 'CreateEffects1764000000000';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY, what text NOT NULL)');
    await runner.query(messagingTables('scheduler') + keepSentMessages('scheduler'));
  }
  async down(): Promise<void> {}
}

const RETRY = { attempts: 3, firstDelayMs: 50 };
const removed = (backup: string): CommandPayload<'snapshot.removed.v1'> => ({ organization: 'org_a', backup, snapshot: 's' });
const created = (organization: string) => ({ organization, name: 'A', at: '2026-11-24T00:00:00.000Z' });

let postgresql: PostgresqlServer;
let redis: RedisServer | undefined;
let queueUrl: string;
let database: ServiceDatabase;

beforeAll(async () => {
  // What is committed must survive the crash of this server, as it does in production.
  postgresql = await startPostgresql({ major: 18, settings: { synchronous_commit: 'on' } });
  if (hasRedis()) redis = await startRedis();
  const provisioned = await provisionDatabase({
    adminUrl: postgresql.connectionString(),
    services: [{ name: 'scheduler', password: 'pw' }],
    queue: { schema: 'bullmq', role: 'rahat_queue', password: 'pw' },
  });
  queueUrl = provisioned.queueUrl!;
  database = await openServiceDatabase({
    url: provisioned.serviceUrls.scheduler!,
    service: 'scheduler',
    migrations: [CreateEffects1764000000000],
    poolSize: 12,
  });
});

afterAll(async () => {
  await database?.close();
  await redis?.[Symbol.asyncDispose]();
  await postgresql?.[Symbol.asyncDispose]();
});

const backends = [{ name: 'PostgreSQL' }, ...(hasRedis() ? [{ name: 'Redis' }] : [])];

describe.each(backends)('messaging on $name', ({ name: backend }) => {
  const opened: Messaging[] = [];
  let queueNumber = 0;
  const freshQueue = () => `q-${backend.toLowerCase()}-${++queueNumber}`;
  const where = () => (backend === 'Redis' ? { redisUrl: redis!.url } : { postgresUrl: queueUrl });

  async function open(): Promise<Messaging> {
    const messaging = await openMessaging({ ...where(), prefix: 'test', retry: RETRY });
    opened.push(messaging);
    return messaging;
  }

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((messaging) => messaging.close()));
    await database.asSystem('clean up', (t) => t.query('DELETE FROM effects'));
  });

  const effects = () =>
    database.asSystem('test', async (t) =>
      (await t.query<{ what: string }>('SELECT what FROM effects ORDER BY id')).map((row) => row.what),
    );
  const recordBackup = async (
    { backup }: { backup: string },
    { transaction }: { transaction: { query(sql: string, parameters: unknown[]): Promise<unknown> } },
  ) => void (await transaction.query('INSERT INTO effects (what) VALUES ($1)', [backup]));

  it('carries a committed command from the outbox to its consumer at once, and a rolled back one never', async () => {
    const messaging = await open();
    const outbox = messaging.outbox(database);
    const queue = freshQueue();
    messaging.consumeCommands(queue, database, { 'snapshot.removed.v1': recordBackup });
    await database.inOrganization('org_a', async (t) => outbox.command(t, queue, 'snapshot.removed.v1', removed('warm up')));
    await eventually(async () => expect(await effects()).toEqual(['warm up']));
    await database
      .inOrganization('org_a', async (t) => {
        await outbox.command(t, queue, 'snapshot.removed.v1', removed('rolled back'));
        throw new Error('no');
      })
      .catch(() => undefined);
    const start = Date.now();
    await database.inOrganization('org_a', async (t) => outbox.command(t, queue, 'snapshot.removed.v1', removed('b1')));
    await eventually(async () => expect(await effects()).toEqual(['warm up', 'b1']));
    expect(Date.now() - start).toBeLessThan(900); // not by the poll
  });

  it('has one effect when the same message is delivered twice', async () => {
    const messaging = await open();
    const queue = freshQueue();
    messaging.consumeCommands(queue, database, { 'snapshot.removed.v1': recordBackup });
    await messaging.send(queue, 'snapshot.removed.v1', removed('first'), { id: 'message_same' });
    await eventually(async () => expect(await effects()).toEqual(['first']));
    await forget(queue, 'message_same');
    await messaging.send(queue, 'snapshot.removed.v1', removed('again'), { id: 'message_same' });
    await messaging.send(queue, 'snapshot.removed.v1', removed('last'));
    await eventually(async () => expect(await effects()).toContain('last'));
    expect(await effects()).toEqual(['first', 'last']);
  });

  it('loses nothing when a process dies between commit and relay', async () => {
    const queue = freshQueue();
    // What a killed process leaves behind: a committed row and nobody who was told.
    await database.asSystem('test', (t) =>
      t.query(`INSERT INTO outbox (id, kind, queue, name, payload, priority) VALUES ($1, 'command', $2, 'snapshot.removed.v1', $3, 50)`, [
        `message_left_${queue}`,
        queue,
        JSON.stringify(removed('left')),
      ]),
    );
    const messaging = await open();
    messaging.consumeCommands(queue, database, { 'snapshot.removed.v1': recordBackup });
    messaging.outbox(database);
    await eventually(async () => expect(await effects()).toEqual(['left']));
    await eventually(async () => expect(await database.asSystem('test', (t) => t.query('SELECT 1 FROM outbox'))).toEqual([]));
  });

  it('copies an event to every subscriber, each with its own effect', async () => {
    const messaging = await open();
    const outbox = messaging.outbox(database);
    for (const subscriber of ['audit', 'scheduler']) {
      messaging.consumeEvents(subscriber, database, {
        'organization.created.v1': async ({ organization }, { transaction }) =>
          void (await transaction.query('INSERT INTO effects (what) VALUES ($1)', [`${subscriber} ${organization}`])),
      });
    }
    await database.asSystem('test', (t) => outbox.event(t, 'organization.created.v1', created('org_a')));
    await eventually(async () => expect((await effects()).sort()).toEqual(['audit org_a', 'scheduler org_a']));
  });

  it('has every effect once, in whatever order several consumers take the messages', async () => {
    const [one, two] = [await open(), await open()];
    const queue = freshQueue();
    const outbox = one.outbox(database);
    two.outbox(database); // a second relay competes
    for (const messaging of [one, two]) messaging.consumeCommands(queue, database, { 'snapshot.removed.v1': recordBackup });
    const backups = Array.from({ length: 60 }, (_, index) => `b${String(index).padStart(2, '0')}`);
    await Promise.all(
      backups.map((backup) => database.inOrganization('org_a', (t) => outbox.command(t, queue, 'snapshot.removed.v1', removed(backup)))),
    );
    await eventually(async () => expect((await effects()).sort()).toEqual(backups));
  });

  it('refuses to send what its schema refuses', async () => {
    const messaging = await open();
    await expect(messaging.send(freshQueue(), 'snapshot.removed.v1', { organization: 'org_a' } as never)).rejects.toMatchObject({
      code: 'message_invalid',
      message: expect.stringContaining('backup'),
    });
  });

  it('carries texts that JSON in PostgreSQL cannot hold, instead of holding up all behind them', async () => {
    const messaging = await open();
    const outbox = messaging.outbox(database);
    const queue = freshQueue();
    messaging.consumeCommands(queue, database, { 'snapshot.removed.v1': recordBackup });
    await database.inOrganization('org_a', async (t) => {
      for (const text of ['nul \0', 'half \ud800', 'whole \u{1F600}', 'behind'])
        await outbox.command(t, queue, 'snapshot.removed.v1', removed(text));
    });
    await messaging.send(queue, 'snapshot.removed.v1', removed('direct \0'));
    await eventually(async () =>
      expect((await effects()).sort()).toEqual(['behind', 'direct \uFFFD', 'half \uFFFD', 'nul \uFFFD', 'whole \u{1F600}']),
    );
  });

  it('makes an unknown version and an invalid payload dead letters, at once', async () => {
    const messaging = await open();
    const queue = freshQueue();
    messaging.consumeCommands(queue, database, { 'snapshot.removed.v1': recordBackup });
    await rawly(queue, async (raw) => {
      await raw.add('snapshot.removed.v9', removed('x'), { jobId: 'message_newer', attempts: 10 });
      await raw.add('snapshot.removed.v1', { backup: 7 }, { jobId: 'message_broken', attempts: 10 });
    });
    await eventually(async () =>
      expect((await lettersOf(messaging, queue)).map(({ message, error, attempts }) => [message, error.code, attempts]).sort()).toEqual([
        ['message_broken', 'message_invalid', 1],
        ['message_newer', 'message_invalid', 1],
      ]),
    );
    expect(await messaging.metrics()).toMatch(/^rahat_dead_letters [1-9]/m);
    expect(await effects()).toEqual([]);
  });

  it('tries a failing handler again, then makes a dead letter that a person can retry', async () => {
    const messaging = await open();
    const queue = freshQueue();
    let broken = true;
    let tries = 0;
    messaging.consumeCommands(queue, database, {
      'snapshot.removed.v1': async (payload, context) => {
        tries++;
        await recordBackup(payload, context); // rolled back with the failure
        if (broken) throw new Error('disk \0 on fire');
      },
    });
    await messaging.send(queue, 'snapshot.removed.v1', removed('late'), { id: 'message_failing' });
    await eventually(async () =>
      expect(await lettersOf(messaging, queue)).toMatchObject([
        { message: 'message_failing', error: { message: 'disk \uFFFD on fire' }, attempts: 3 },
      ]),
    );
    expect([tries, await effects()]).toEqual([3, []]);
    broken = false;
    await messaging.deadLetters.retry((await lettersOf(messaging, queue))[0]!.id);
    await eventually(async () => expect(await effects()).toEqual(['late']));
    expect(await lettersOf(messaging, queue)).toEqual([]);
  });

  it('does not try again what an error says is hopeless', async () => {
    const messaging = await open();
    const queue = freshQueue();
    let tries = 0;
    messaging.work(
      queue,
      {
        'snapshot.removed.v1': async () => {
          tries++;
          throw new RahatError('not_found', 'no such backup');
        },
      },
      { concurrency: 1 },
    );
    await messaging.send(queue, 'snapshot.removed.v1', removed('x'));
    await eventually(async () => expect(await lettersOf(messaging, queue)).toMatchObject([{ error: { code: 'not_found' } }]));
    expect(tries).toBe(1);
  });

  it('answers questions, hands on the error of the answering side, and gives up in time when nobody answers', async () => {
    const [asker, worker] = [await open(), await open()];
    const pool = freshQueue();
    const question = { engine: 'postgresql' as const, binding: 'b', sealedSecrets: 's' };
    await expect(asker.ask(pool, 'server.discover.v1', question, 300)).rejects.toMatchObject({ code: 'unavailable' });
    const shop = { name: 'shop', sizeBytes: 1, encoding: 'UTF8', collation: 'C', connectable: true };
    worker.answer(pool, {
      'server.discover.v1': async ({ binding }) => {
        if (binding === 'refused') throw new RahatError('source_authentication_failed', 'wrong password', { hint: 'look' });
        return { databases: [shop] };
      },
    });
    expect(await asker.ask(pool, 'server.discover.v1', question, 10_000)).toEqual({ databases: [shop] });
    await expect(asker.ask(pool, 'server.discover.v1', { ...question, binding: 'refused' }, 10_000)).rejects.toMatchObject({
      code: 'source_authentication_failed',
      message: 'wrong password',
      hint: 'look',
      retryable: false,
    });
  });

  it('finds the answer whose event it never heard', async () => {
    const [asker, worker] = [await open(), await open()];
    const pool = freshQueue();
    // As when the answer comes before the first reading of the events, from which on they count.
    const deaf = jest.spyOn(QueueEvents.prototype, 'emit').mockReturnValue(false);
    try {
      const answered = asker.ask(pool, 'server.discover.v1', { engine: 'postgresql', binding: 'b', sealedSecrets: 's' }, 10_000);
      await sleep(200); // it has looked for an answer once
      worker.answer(pool, { 'server.discover.v1': async () => ({ databases: [] }) });
      expect(await answered).toEqual({ databases: [] });
    } finally {
      deaf.mockRestore();
    }
  });

  it('signals every listening process', async () => {
    const [sender, listener] = [await open(), await open()];
    const heard: unknown[] = [];
    await sender.onSignal('run.cancel', (payload) => heard.push(['sender', payload]));
    await listener.onSignal('run.cancel', (payload) => heard.push(['listener', payload]));
    await listener.onSignal('other', () => heard.push('wrong topic'));
    await sender.signal('run.cancel', { run: 'run_1' });
    await eventually(async () =>
      expect(heard.sort()).toEqual([
        ['listener', { run: 'run_1' }],
        ['sender', { run: 'run_1' }],
      ]),
    );
  });

  it('waits at close for the message in hand', async () => {
    const messaging = await open();
    const queue = freshQueue();
    let started = false;
    messaging.work(
      queue,
      {
        'snapshot.removed.v1': async ({ backup }) => {
          started = true;
          await new Promise((resolve) => setTimeout(resolve, 400));
          await database.asSystem('test', (t) => t.query('INSERT INTO effects (what) VALUES ($1)', [backup]));
        },
      },
      { concurrency: 1 },
    );
    await messaging.send(queue, 'snapshot.removed.v1', removed('finished'));
    await eventually(async () => expect(started).toBe(true));
    await messaging.close();
    expect(await effects()).toEqual(['finished']);
  });

  if (backend === 'Redis') {
    it('makes a message that kept killing its workers a dead letter', async () => {
      const messaging = await open();
      const queue = freshQueue();
      await messaging.send(queue, 'snapshot.removed.v1', removed('deadly'), { id: 'message_deadly' });
      // What BullMQ notes when it finds a job stalled once too often.
      const connection = new Redis(redis!.url);
      await connection.hset(`test:${queue}:message_deadly`, 'defa', 'job stalled more than allowable limit');
      connection.disconnect();
      messaging.work(queue, { 'snapshot.removed.v1': async () => undefined }, { concurrency: 1 });
      await eventually(async () =>
        expect(await lettersOf(messaging, queue)).toMatchObject([
          { message: 'message_deadly', error: { message: expect.stringContaining('stalled') } },
        ]),
      );
    });

    it('sends again what Redis lost before it was handled, and nothing that was', async () => {
      const messaging = await open();
      const outbox = messaging.outbox(database);
      const queue = freshQueue();
      const consumer = messaging.consumeCommands(queue, database, { 'snapshot.removed.v1': recordBackup });
      await database.inOrganization('org_a', (t) => outbox.command(t, queue, 'snapshot.removed.v1', removed('handled')));
      await eventually(async () => expect(await effects()).toEqual(['handled']));
      await consumer.close();
      await database.inOrganization('org_a', (t) => outbox.command(t, queue, 'snapshot.removed.v1', removed('lost')));
      await rawly(queue, (raw) => eventually(async () => expect(await raw.getPrioritizedCount()).toBe(1)));
      await redis!.restart();
      messaging.consumeCommands(queue, database, { 'snapshot.removed.v1': recordBackup });
      await eventually(async () => expect(await effects()).toEqual(['handled', 'lost']), 30_000);
      await eventually(async () => expect(await outboxRows(queue)).toEqual([]), 30_000);
      expect(await effects()).toEqual(['handled', 'lost']);
    }, 90_000);

    it('lets a message wait for a database that is away, at the price of none of its tries', async () => {
      const messaging = await open();
      const queue = freshQueue();
      let tries = 0;
      messaging.consumeCommands(queue, database, {
        'snapshot.removed.v1': async (message, context) => {
          // Between two statements, as a restart of the server does it.
          if (++tries <= RETRY.attempts + 1) await terminate(context.transaction);
          await recordBackup(message, context);
        },
      });
      await messaging.send(queue, 'snapshot.removed.v1', removed('cut off'));
      await eventually(async () => expect(await effects()).toEqual(['cut off']), 30_000);
      expect(await lettersOf(messaging, queue)).toEqual([]);
    });

    it('keeps messages in the outbox while Redis is away', async () => {
      const messaging = await open();
      const outbox = messaging.outbox(database);
      const queue = freshQueue();
      await redis!.stop();
      await database.inOrganization('org_a', (t) => outbox.command(t, queue, 'snapshot.removed.v1', removed('patient')));
      await redis!.restart();
      messaging.consumeCommands(queue, database, { 'snapshot.removed.v1': recordBackup });
      await eventually(async () => expect(await effects()).toEqual(['patient']), 20_000);
    });
  }

  if (backend === 'PostgreSQL') {
    it('goes on by itself after PostgreSQL crashed and came back', async () => {
      const messaging = await open();
      const outbox = messaging.outbox(database);
      const queue = freshQueue();
      const heard: unknown[] = [];
      const answer = { databases: [] };
      messaging.consumeCommands(queue, database, { 'snapshot.removed.v1': recordBackup });
      messaging.answer(queue, { 'server.discover.v1': async () => answer });
      await messaging.onSignal('run.cancel', (payload) => heard.push(payload));
      const question = { engine: 'postgresql' as const, binding: 'b', sealedSecrets: 's' };
      expect(await messaging.ask(queue, 'server.discover.v1', question, 10_000)).toEqual(answer);
      await database.inOrganization('org_a', (t) => outbox.command(t, queue, 'snapshot.removed.v1', removed('before')));
      await eventually(async () => expect(await effects()).toContain('before'), 20_000);
      await postgresql.stop('immediate');
      await expect(messaging.send(queue, 'snapshot.removed.v1', removed('lost'))).rejects.toMatchObject({
        code: 'unavailable',
        retryable: true,
      });
      await postgresql.restart();
      await database.inOrganization('org_a', (t) => outbox.command(t, queue, 'snapshot.removed.v1', removed('after')));
      await eventually(async () => expect(await effects()).toContain('after'), 20_000);
      await eventually(async () => expect(await messaging.ask(queue, 'server.discover.v1', question, 2_000)).toEqual(answer), 20_000);
      await eventually(async () => {
        await messaging.signal('run.cancel', { run: 'run_1' });
        expect(heard).not.toEqual([]);
      });
    });
  }

  async function outboxRows(queue: string) {
    return database.asSystem('test', (t) => t.query(`SELECT id FROM outbox WHERE queue = $1`, [queue]));
  }

  async function terminate(transaction: Transaction): Promise<void> {
    const [session] = await transaction.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await postgresql.query('SELECT pg_terminate_backend($1)', [session!.pid]);
  }

  async function lettersOf(messaging: Messaging, queue: string) {
    return (await messaging.deadLetters.list(0, 100)).filter((letter) => letter.queue === queue);
  }

  /** As a process of another version would. */
  async function rawly(name: string, work: (queue: Queue) => Promise<void>): Promise<void> {
    if (backend === 'Redis') {
      const connection = new Redis(redis!.url, { maxRetriesPerRequest: null });
      const queue = new Queue(name, { connection, prefix: 'test' });
      await work(queue).finally(() => queue.close());
      connection.disconnect();
    } else {
      const { createPostgresBackend, withBackend } = await import('bullmq');
      const queue = new (withBackend(createPostgresBackend).Queue)(name, { connection: { connectionString: queueUrl, schema: 'bullmq' } });
      await work(queue as unknown as Queue).finally(() => queue.close());
    }
  }

  /** Its effect is there a moment before its worker lets go of it. */
  const forget = (queue: string, id: string) =>
    rawly(queue, (raw) => eventually(async () => void (await (await raw.getJob(id))?.remove())));
});

async function eventually(check: () => Promise<void>, timeoutMs = 10_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; ;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
