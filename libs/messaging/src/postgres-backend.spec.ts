import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { provisionDatabase } from '@rahat/persistence';
import { startPartingProxy, startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { openPostgresBackend } from './postgres-backend.js';

/** Loops that retry without a pause report thousands of times in this while. */
const OUTAGE_MS = 4_000;

describe('queues in PostgreSQL', () => {
  let postgresql: PostgresqlServer;
  let queueUrl: URL;

  beforeAll(async () => {
    postgresql = await startPostgresql({ major: 18 });
    const queue = { schema: 'bullmq', role: 'rahat_queue', password: 'pw' };
    const provisioned = await provisionDatabase({ adminUrl: postgresql.connectionString(), services: [], queue });
    queueUrl = new URL(provisioned.queueUrl!);
  });

  afterAll(async () => {
    await postgresql?.[Symbol.asyncDispose]();
  });

  it('whose first connections fail try again at their leisure, and work when PostgreSQL is back', async () => {
    let whole = true;
    const wire = createServer((client) => {
      if (!whole) return void client.destroy();
      const upstream = connect(Number(queueUrl.port), queueUrl.hostname);
      client.pipe(upstream).pipe(client);
      client.on('error', () => upstream.destroy());
      upstream.on('error', () => client.destroy());
    }).listen(0, '127.0.0.1');
    await once(wire, 'listening');
    const url = new URL(queueUrl);
    url.host = `127.0.0.1:${(wire.address() as AddressInfo).port}`;
    let errors = 0;
    const count = () => void errors++;
    const backend = await openPostgresBackend(url.href, 'patience', count);

    whole = false;
    const done = Promise.withResolvers<unknown>();
    const worker = backend.worker('patience', (job) => Promise.resolve(done.resolve(job.data)), { runRetryDelay: 1_000 });
    const events = backend.queueEvents('patience');
    const queue = backend.queue('patience');
    worker.on('error', count);
    events.on('error', count);
    queue.on('error', count);
    await expect(queue.add('early', {})).rejects.toThrow();
    await sleep(OUTAGE_MS);
    expect(errors).toBeLessThan(100);

    whole = true;
    let completed = 0;
    events.on('completed', () => void completed++);
    while (completed === 0) {
      await queue.add('late', { is: 'heard' }).catch(count);
      await sleep(200);
    }
    expect(await done.promise).toEqual({ is: 'heard' });
    await Promise.all([worker.close(), events.close(), queue.close()]);
    await backend.signals.close();
    await backend.close();
    wire.close();
  }, 60_000);

  it('outlive a server that goes down in the moment in which it lets them in', async () => {
    await using proxy = await startPartingProxy(postgresql.port);
    const url = new URL(queueUrl);
    url.host = `127.0.0.1:${proxy.port}`;
    const backend = await openPostgresBackend(url.href, 'parting', () => undefined);
    let heard = 0;
    const worker = backend.worker('parting', () => Promise.resolve(void heard++), { runRetryDelay: 200 });
    const events = backend.queueEvents('parting');
    const queue = backend.queue('parting');
    const ignore = () => undefined;
    worker.on('error', ignore);
    events.on('error', ignore);
    queue.on('error', ignore);
    await backend.signals.listen(() => undefined);
    const untilOneMoreIsHeard = async () => {
      const before = heard;
      for (; heard === before; await sleep(100)) await queue.add('job', {}).catch(() => undefined);
    };
    await untilOneMoreIsHeard();
    proxy.parting = true;
    const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rahat_queue'`;
    for (; proxy.parted < 12; await sleep(50)) await postgresql.query(terminate);
    proxy.parting = false;
    await untilOneMoreIsHeard();
    await Promise.all([worker.close(), events.close(), queue.close()]);
    await backend.signals.close();
    await backend.close();
  }, 60_000);
});
