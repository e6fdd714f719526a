import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConnectorSession } from '@rahat/connector-kit';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory, connectionTo, failureOf, quietJob } from '../physical/test-parts.js';
import { RICH_SQL } from './sample-database.js';

let server: PostgresqlServer;
let scratchFolder: string;
let session: ConnectorSession;
let backup: ArtifactsInMemory;

beforeAll(async () => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-restore-'));
  server = await startPostgresql({ major: 15 });
  session = await postgresqlConnector.open(connectionTo(server), { toolFolders: [], scratchFolder, signal: new AbortController().signal });
  await server.query('CREATE DATABASE rich');
  await server.query(RICH_SQL, undefined, 'rich');
  backup = await backUp();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

async function backUp(): Promise<ArtifactsInMemory> {
  const made = new ArtifactsInMemory();
  made.facts = await session.backup({ method: 'postgresql.logical', database: 'rich', label: 'rahat-run' }, made, quietJob);
  return made;
}

const databases = async (): Promise<string[]> => (await session.discover()).map((database) => database.name);
const into = (name: string, replace = false) => ({ target: { kind: 'database' as const, name, replace }, label: 'run_1' });

describe('a restore', () => {
  it('refuses an existing target unless it is to be replaced, and then keeps the old one', async () => {
    await server.query('CREATE DATABASE live');
    await server.query('CREATE TABLE precious AS SELECT 1 AS v', undefined, 'live');
    expect(await failureOf(session.restore(into('live'), backup, quietJob))).toMatchObject({ code: 'restore_target_exists' });
    const plan = await session.planRestore(into('live', true), backup, quietJob);
    expect(plan.overwrites).toEqual(['live']);
    // Somebody is connected: a swap has to get along with that.
    const visitor = await server.connect('live');
    visitor.on('error', () => undefined);
    const restored = await session.restore(into('live', true), backup, quietJob);
    await visitor.end().catch(() => undefined);
    expect(restored.setAside).toEqual([expect.stringMatching(/^live__old_\d{14}$/)]);
    expect(await server.query('SELECT count(*)::int AS n FROM sales.line', [], 'live')).toEqual([{ n: 20_000 }]);
    expect(await server.query('SELECT v FROM precious', [], restored.setAside[0])).toEqual([{ v: 1 }]);
    expect((await databases()).filter((name) => name.includes('__rhb_'))).toEqual([]);
  });

  it('swaps nothing in when a row is missing or another', async () => {
    for (const change of [(text: string) => text.replace(/^.*\n/, ''), (text: string) => text.replace(/^(\d+\t\d+\t[\d.]+\t)./, '$1X')]) {
      const other = await backUp();
      other.bytes.set('rows/sales/line', Buffer.from(change(other.bytes.get('rows/sales/line')?.toString() ?? '')));
      const error = await failureOf(session.restore(into('never'), other, quietJob));
      expect(error).toMatchObject({ code: 'restore_mismatch', message: expect.stringContaining('sales.line') });
      expect(await databases()).not.toContain('never');
      expect(await databases()).toContain('never__rhb_run_1');
    }
    await server.query('DROP DATABASE never__rhb_run_1');
  });

  it('removes the staging database when it fails or is cancelled', async () => {
    const cut = await backUp();
    cut.bytes.set('rows/sales/line', Buffer.from('not a row\n\\.\n\n\n'));
    expect(await failureOf(session.restore(into('never'), cut, quietJob))).toMatchObject({ code: 'restore_failed' });
    const cancel = new AbortController();
    const job = {
      ...quietJob,
      signal: cancel.signal,
      progress: () => {
        cancel.abort();
      },
    };
    expect(await failureOf(session.restore(into('never'), backup, job))).toMatchObject({ code: 'cancelled' });
    expect((await databases()).filter((name) => name.startsWith('never'))).toEqual([]);
  });

  it('names the roles that the target lacks, and makes them without login when it may', async () => {
    await server.query('CREATE ROLE "Old Clerk"');
    await server.query('ALTER TABLE sales.line OWNER TO "Old Clerk"', [], 'rich');
    const owned = await backUp();
    await server.query('REASSIGN OWNED BY "Old Clerk" TO postgres', [], 'rich');
    await server.query('DROP ROLE "Old Clerk"');
    expect(await failureOf(session.restore(into('owned'), owned, quietJob))).toMatchObject({
      code: 'restore_failed',
      hint: 'CREATE ROLE "Old Clerk" NOLOGIN;',
    });
    await session.restore({ ...into('owned'), createMissingRoles: true }, owned, quietJob);
    expect(await server.query("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'Old Clerk'")).toEqual([{ rolcanlogin: false }]);
    expect(await server.query("SELECT tableowner FROM pg_tables WHERE tablename = 'line'", [], 'owned')).toEqual([
      { tableowner: 'Old Clerk' },
    ]);
    await session.restore({ ...into('ownerless'), noOwner: true, noAcl: true }, owned, quietJob);
  });
});

describe('a restore over the maintenance database', () => {
  it('swaps it like any other', async () => {
    const restored = await session.restore(into('postgres', true), backup, quietJob);
    expect(restored.setAside).toEqual([expect.stringMatching(/^postgres__old_/)]);
    expect(await server.query('SELECT count(*)::int AS n FROM sales.line')).toEqual([{ n: 20_000 }]);
  });
});

describe('a restore of chosen tables', () => {
  it('brings them with all that belongs to them, and says what stays behind', async () => {
    const request = {
      ...into('some'),
      tables: [
        ['sales', 'orders'],
        ['sales', 'event'],
      ] as [string, string][],
    };
    const restored = await session.restore(request, backup, quietJob);
    expect(restored.tables.map((table) => `${table.table} ${table.actualRows} ${table.matches}`).sort()).toEqual([
      'event_2025 1660 true',
      'event_2026 1340 true',
      'orders 5000 true',
    ]);
    expect(restored.findings).toContainEqual(
      expect.objectContaining({ code: 'part_not_restored', severity: 'warning', object: 'sales.orders orders_customer_id_fkey' }),
    );
    const [found] = await server.query<Record<string, unknown>>(
      `SELECT
      (SELECT count(*)::int FROM pg_indexes WHERE schemaname = 'sales' AND tablename = 'orders') AS indexes, (SELECT count(*)::int FROM pg_trigger WHERE tgname = 'touch') AS triggers,
      (SELECT last_value::int FROM sales.orders_id_seq) AS value, (SELECT count(*)::int FROM sales.event) AS events, to_regclass('sales.line') AS line`,
      [],
      'some',
    );
    expect(found).toEqual({ indexes: 2, triggers: 1, value: 5000, events: 3000, line: null });
  });

  it('refuses an empty choice and a table that is not there', async () => {
    expect(await failureOf(session.restore({ ...into('none'), tables: [] }, backup, quietJob))).toMatchObject({
      code: 'restore_selection_empty',
    });
    expect(await failureOf(session.restore({ ...into('none'), tables: [['sales', 'nope']] }, backup, quietJob))).toMatchObject({
      code: 'not_found',
    });
    expect(await databases()).not.toContain('none');
  });

  it('brings a lost table back into the database in use', async () => {
    await session.restore(into('inuse'), backup, quietJob);
    await server.query('DROP TABLE sales.line', [], 'inuse');
    const restored = await session.restore({ ...into('inuse'), tables: [['sales', 'line']], intoExisting: true }, backup, quietJob);
    expect(restored.setAside).toEqual([]);
    expect(restored.findings).toMatchObject([{ code: 'foreign_key_not_validated', object: 'sales.line line_order_id_fkey' }]);
    await server.query(restored.findings[0]?.fix ?? '', [], 'inuse');
    expect(
      await server.query(
        "SELECT count(*)::int AS n, (SELECT count(*)::int FROM pg_constraint WHERE conrelid = 'sales.line'::regclass) AS constraints FROM sales.line",
        [],
        'inuse',
      ),
    ).toEqual([{ n: 20_000, constraints: 2 }]);
  });

  it("moves a table that is still there aside, and points the others' foreign keys to the one that came back", async () => {
    await server.query('UPDATE sales.orders SET net = 0', [], 'inuse');
    // Other restores took this second's name, and those of the next ones.
    await server.query(
      `DO $$ BEGIN FOR second IN 0..60 LOOP EXECUTE format('CREATE SCHEMA rhb_old_%s', to_char(now() AT TIME ZONE 'UTC' + make_interval(secs => second), 'YYYYMMDDHH24MISS')); END LOOP; END $$`,
      [],
      'inuse',
    );
    const restored = await session.restore(
      {
        ...into('inuse'),
        tables: [
          ['sales', 'customer'],
          ['sales', 'orders'],
        ],
        intoExisting: true,
      },
      backup,
      quietJob,
    );
    expect(restored.setAside).toHaveLength(2);
    expect(restored.findings.map((finding) => `${finding.code} ${finding.object}`)).toEqual([
      'foreign_key_not_validated sales.line',
      'view_reads_former_table sales.open_orders',
      'view_reads_former_table sales.totals',
    ]);
    await server.query(restored.findings[0]?.fix ?? '', [], 'inuse');
    const [state] = await server.query(
      "SELECT (SELECT sum(net) > 0 FROM sales.orders) AS restored, (SELECT confrelid::regclass::text FROM pg_constraint WHERE conname = 'line_order_id_fkey') AS points_to",
      [],
      'inuse',
    );
    expect(state).toEqual({ restored: true, points_to: 'sales.orders' });
    const aside = restored.setAside[0]?.split(': ')[1]?.split('.')[0];
    expect(await server.query(`SELECT sum(net)::int AS net FROM ${aside}.orders`, [], 'inuse')).toEqual([{ net: 0 }]);
    expect((await databases()).filter((name) => name.includes('__rhb_'))).toEqual([]);
  });
});
