import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '@rahat/contracts';
import { openServiceDatabase, provisionDatabase, type ServiceDatabase, type Transaction } from '@rahat/persistence';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import fc from 'fast-check';
import pg from 'pg';
import { migrations } from '../index.js';
import { anyChange, Writer, type ProtectionChange, type World } from '../testing/protection-changes.js';
import { knownOf, NEWEST_BY_AGGREGATE, protectionsByAggregate } from '../testing/protection-oracle.js';
import { keptLines, momentsAt, newestBackups, type ProtectionLine } from './protections.table.js';
import { SettlingClock } from './settling-clock.js';
import { Settling } from './settling.js';

let server: PostgresqlServer;
let url: string;
let database: ServiceDatabase;
beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
  const services = [{ name: 'scheduler', password: 'pw' }];
  url = (await provisionDatabase({ adminUrl: server.connectionString(), services })).serviceUrls['scheduler']!;
  database = await openServiceDatabase({ url, service: 'scheduler', migrations, poolSize: 12 });
});
afterAll(async () => {
  await database?.close();
  await server?.[Symbol.asyncDispose]();
});

const LINES = 6;
const WRITERS = 3;

/** Two servers, two plans: databases and a whole server, one database under both plans, and one that is under none. */
async function newWorld(): Promise<World> {
  const organization = newId('organization');
  const id = (name: string) => `${name}_${organization}`;
  await database.inOrganization(organization, async (transaction) => {
    for (const name of ['s1', 's2'])
      await transaction.query(
        `INSERT INTO servers (id, organization_id, name, engine, address, sealed_password, password_set_at, pool) VALUES ($1, $2, $1, 'postgresql', '{}', 'x', now(), 'default')`,
        [id(name), organization],
      );
    for (const name of ['d1', 'd2'])
      await transaction.query(
        `INSERT INTO databases (id, organization_id, server_id, name, size_bytes, encoding, "collation", connectable, discovered_at) VALUES ($1, $2, $3, $1, 1, 'UTF8', 'C', true, now())`,
        [id(name), organization, id('s1')],
      );
    for (const name of ['p1', 'p2'])
      await transaction.query(
        `INSERT INTO plans (id, organization_id, name, server_ids, method, databases, repository_id, catch_up, keep_last, keep_proven, verify, deep, max_attempts, deadline_minutes, planned_until)
         VALUES ($1, $2, $1, '{}', 'postgresql.logical', '"all"', 'r', 'skip', 1, 1, '{}', false, 3, 60, now())`,
        [id(name), organization],
      );
  });
  const line = (server: string, plan: string | null, database: string | null) => ({
    server: id(server),
    plan: plan && id(plan),
    database: database && id(database),
  });
  return {
    organization,
    base: new Date('2026-11-27T12:00:00.000Z'),
    lines: [
      line('s1', 'p1', 'd1'),
      line('s1', 'p2', 'd1'),
      line('s1', 'p1', 'd2'),
      line('s1', 'p2', null),
      line('s2', 'p2', null),
      line('s1', null, 'd1'),
    ],
  };
}

async function protectionLines(transaction: Transaction, organization: string, now: Date): Promise<ProtectionLine[]> {
  const lines = await keptLines(transaction, organization);
  const moments = await momentsAt(transaction, lines, now);
  return lines.map((line, place) => ({ ...line, ...moments[place]! }));
}

async function expectExact(organization: string, now: Date): Promise<void> {
  const { kept, all, newest, newestOfAll } = await database.inOrganization(organization, async (transaction) => ({
    kept: await protectionLines(transaction, organization, now),
    all: await protectionsByAggregate(transaction, now),
    newest: await newestBackups(transaction, organization),
    newestOfAll: await transaction.query(NEWEST_BY_AGGREGATE),
  }));
  expect(knownOf(kept)).toEqual(knownOf(all));
  expect(newest).toEqual(newestOfAll);
}

const marksOf = (organization: string) =>
  database.inOrganization(organization, (transaction) => transaction.query(`SELECT server_id, plan_id, database_id FROM protection_marks`));

/** What a writer does in a transaction, how it goes on with that, and what time it is then. */
const anyAct = fc.record({
  writer: fc.nat({ max: WRITERS - 1 }),
  changes: fc.array(anyChange(LINES), { minLength: 1, maxLength: 2 }),
  ends: fc.constantFrom('commit', 'commit', 'commit', 'roll back', 'stay open'),
  turn: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: -300, max: 300 }) }),
});

describe('the rows of protections', () => {
  it('say what all backups and runs say, whatever was changed, committed meanwhile, rolled back, or has passed', async () => {
    await using connections = await connect(WRITERS);
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyChange(LINES), { minLength: 50, maxLength: 70 }),
        fc.array(anyAct, { minLength: 15, maxLength: 30 }),
        async (past, acts) => {
          const world = await newWorld();
          let now = world.base;
          const settling = new Settling(database, { now: () => now, monotonicMs: () => 0 });
          const writers = connections.clients.map((client, index) => transactionsOf(client, world, index));
          for (const [index, change] of past.entries()) await writers[index % WRITERS]!.change(change);
          for (const { end } of writers) await end(true);
          try {
            for (const { writer, changes, ends, turn } of acts) {
              for (const change of changes) await writers[writer]!.change(change);
              if (ends !== 'stay open') await writers[writer]!.end(ends === 'commit');
              await settling.settle(world.organization);
              await expectExact(world.organization, now);
              // Moments go on without a change, and back where somebody sets the clock.
              now = new Date(now.getTime() + turn * 60_000);
              if (turn !== 0) await expectExact(world.organization, now);
            }
          } finally {
            for (const { end } of writers) await end(true);
          }
          await settling.settle(world.organization);
          await expectExact(world.organization, now);
          expect(await marksOf(world.organization)).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  }, 240_000);

  it('are not written by who looked earlier and comes later', async () => {
    const world = await newWorld();
    const settling = new Settling(database, { now: () => world.base, monotonicMs: () => 0 });
    await using connections = await connect(2);
    const [holder, client] = connections.clients as [pg.Client, pg.Client];
    const { change, end } = transactionsOf(client, world, 1);
    const backUp = async (...lines: number[]) => {
      for (const line of lines) await change({ does: 'backup', line, state: 'succeeded', at: 0, provenAt: null, proof: 'stored' });
      await end(true);
    };
    const waiting = async () =>
      (await server.query<{ count: number }>(`SELECT count(*)::int FROM pg_stat_activity WHERE wait_event_type = 'Lock'`))[0]!.count;
    await backUp(0, 2);
    await settling.settle(world.organization);
    await backUp(0, 2);
    await holder.query(`BEGIN`);
    await holder.query(`SELECT set_config('app.organization_id', $1, true)`, [world.organization]);
    await holder.query(`SELECT 1 FROM protections WHERE database_id = $1 FOR UPDATE`, [world.lines[0]!.database]);
    const early = settling.settle(world.organization);
    while ((await waiting()) < 1) await sleep(5);
    // It has seen this line as it was, and is kept from writing it.
    await backUp(2);
    let over = false;
    const late = settling.settle(world.organization).finally(() => (over = true));
    while (!over && (await waiting()) < 2) await sleep(5);
    await holder.query('COMMIT');
    await Promise.all([early, late]);
    await expectExact(world.organization, world.base);
  });

  it('tell whoever has committed a change of it, however many change and settle at once', async () => {
    const world = await newWorld();
    const settling = new Settling(database, { now: () => world.base, monotonicMs: () => 0 });
    await using connections = await connect(6);
    await Promise.all(
      connections.clients.map(async (client, index) => {
        const { change, end } = transactionsOf(client, world, index);
        // Each has a line of its own, and one that it shares.
        for (let round = 1; round <= 20; round++) {
          for (const line of [index % 5, 5])
            await change({ does: 'backup', line, state: 'succeeded', at: round, provenAt: null, proof: 'stored' });
          await end(true);
          await settling.settle(world.organization);
          const { server, plan, database: ofLine } = world.lines[index % 5]!;
          const lines = await database.inOrganization(world.organization, (transaction) =>
            protectionLines(transaction, world.organization, world.base),
          );
          const own = lines.find((line) => line.server_id === server && line.plan_id === plan && line.database_id === (ofLine ?? ''));
          expect(own!.backups).toBeGreaterThanOrEqual(round);
          expect(own!.newest_at!).toBeGreaterThanOrEqual(world.base.getTime() + round * 60_000);
        }
      }),
    );
    await settling.settle(world.organization);
    await expectExact(world.organization, world.base);
  });

  it('are not touched by signs of life, progress, reasons of retention, and what a run goes through before its end', async () => {
    const world = await newWorld();
    await using connections = await connect(1);
    const { change, end } = transactionsOf(connections.clients[0]!, world, 0);
    await change({ does: 'run', line: 0, cause: 'schedule', state: 'due', due: 0, at: 0, error: null });
    await change({ does: 'backup', line: 0, state: 'succeeded', at: 0, provenAt: null, proof: 'stored' });
    await end(true);
    await new Settling(database, { now: () => world.base, monotonicMs: () => 0 }).settle(world.organization);
    for (const sql of [
      `UPDATE runs SET state = 'queued', error = '{}', reasons = '["again"]'`,
      `UPDATE runs SET state = 'running', started_at = now()`,
      `UPDATE runs SET heartbeat_at = now(), progress = '{}', progressed_at = now()`,
      `UPDATE backups SET retention_reason = 'one of the last 14', hold = '{}'`,
      `UPDATE backups SET seen_by = 'x', missing_since = NULL`,
    ])
      await database.inOrganization(world.organization, (transaction) => transaction.query(sql));
    expect(await marksOf(world.organization)).toEqual([]);
    await database.inOrganization(world.organization, (transaction) =>
      transaction.query(`UPDATE runs SET state = 'failed', finished_at = now()`),
    );
    expect(await marksOf(world.organization)).toHaveLength(1);
  });

  it('go when nothing is left of their line', async () => {
    const world = await newWorld();
    const settling = new Settling(database, { now: () => world.base, monotonicMs: () => 0 });
    await using connections = await connect(1);
    const { change, end } = transactionsOf(connections.clients[0]!, world, 0);
    const rows = () => database.inOrganization(world.organization, (transaction) => transaction.query(`SELECT FROM protections`));
    await change({ does: 'backup', line: 5, state: 'succeeded', at: 0, provenAt: null, proof: 'stored' });
    await end(true);
    await settling.settleAll();
    expect(await rows()).toHaveLength(1);
    await change({ does: 'remove', pick: 0 });
    await end(true);
    await settling.settleAll();
    expect(await rows()).toEqual([]);
  });
});

describe('the clock of settling', () => {
  it('settles where nobody looks', async () => {
    const world = await newWorld();
    await using connections = await connect(1);
    const { change, end } = transactionsOf(connections.clients[0]!, world, 0);
    const clock = new SettlingClock(new Settling(database, { now: () => world.base, monotonicMs: () => 0 }), 20);
    clock.onApplicationBootstrap();
    try {
      for (const line of [0, 1]) {
        await change({ does: 'backup', line, state: 'succeeded', at: 0, provenAt: null, proof: 'stored' });
        await end(true);
        while ((await marksOf(world.organization)).length > 0) await sleep(10);
      }
    } finally {
      await clock.onApplicationShutdown();
    }
    await expectExact(world.organization, world.base);
  });
});

/** One of them acts across organizations, as the tick does. */
function transactionsOf(client: pg.Client, world: World, index: number) {
  const writer = new Writer(String(index), world);
  let undo: (() => void) | undefined;
  return {
    async change(change: ProtectionChange): Promise<void> {
      if (!undo) {
        undo = writer.remember();
        await client.query('BEGIN');
        if (index === 0) await client.query('SET LOCAL ROLE rahat_scheduler_system');
        else await client.query(`SELECT set_config('app.organization_id', $1, true)`, [world.organization]);
      }
      await writer.change((sql, parameters) => client.query(sql, parameters), change);
    },
    async end(commit: boolean): Promise<void> {
      if (!undo) return;
      await client.query(commit ? 'COMMIT' : 'ROLLBACK');
      if (!commit) undo();
      undo = undefined;
    },
  };
}

async function connect(count: number): Promise<AsyncDisposable & { clients: pg.Client[] }> {
  const clients = Array.from({ length: count }, () => new pg.Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  return {
    clients,
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.end()));
    },
  };
}
