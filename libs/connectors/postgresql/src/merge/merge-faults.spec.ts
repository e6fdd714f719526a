import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { failureOf, quietJob } from '../physical/test-parts.js';
import { LiveShop } from '../testing/live-shop.js';

let shop: LiveShop;
beforeAll(async () => {
  shop = await LiveShop.open();
});
afterAll(async () => shop?.[Symbol.asyncDispose]());

const EVERYTHING = { schemas: ['public'] };
const CHANGE_SQL = `DELETE FROM line WHERE number = 1 AND orders > 100; UPDATE country SET name = 'Turkey' WHERE code = 'tr'`;

/** Server processes that say they work in this database; asked at once, because the restore goes on meanwhile. */
function sessionsIn(database: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(` ${database} `);
      } catch {
        return false;
      }
    });
}

describe('a restore into a live database that meets trouble', () => {
  it('gives up on a lock that another session holds, says that it can be tried again, and changes nothing', async () => {
    const live = await shop.database(CHANGE_SQL);
    const before = await shop.state(live);
    const other = await shop.server.connect(live);
    await other.query(`BEGIN; UPDATE country SET name = name`);
    const failure = await failureOf(shop.restore(live, EVERYTHING));
    await other.query('COMMIT');
    await other.end();
    expect(failure).toMatchObject({ code: 'restore_locked', retryable: true });
    expect(await shop.state(live)).toEqual(before);
    await shop.restore(live, EVERYTHING);
  });

  it.each(['restore', 'remove', 'insert', 'check'])('changes nothing when its session dies at the phase %s', async (phase) => {
    const live = await shop.database(CHANGE_SQL);
    const before = await shop.state(live);
    const job = {
      ...quietJob,
      progress: (progress: { phase: string }) => {
        if (progress.phase === phase) for (const pid of sessionsIn(live)) process.kill(pid, 'SIGTERM');
      },
    };
    const failure = await failureOf(shop.restore(live, EVERYTHING, shop.session, job));
    expect(`${failure.code}: ${failure.message}`).toMatch(/^source_lost/);
    expect(failure.retryable).toBe(true);
    expect(await shop.state(live)).toEqual(before);
  });

  it('changes nothing when it is cancelled', async () => {
    const live = await shop.database(CHANGE_SQL);
    const before = await shop.state(live);
    const abort = new AbortController();
    const job = { ...quietJob, signal: abort.signal, progress: ({ phase }: { phase: string }) => phase === 'insert' && abort.abort() };
    expect(await failureOf(shop.restore(live, EVERYTHING, shop.session, job as typeof quietJob))).toMatchObject({ code: 'cancelled' });
    await delay(100);
    expect(await shop.state(live)).toEqual(before);
  });

  it('lets a writer wait, who finds the restored rows afterwards; the undo is then refused, tells why, and can be forced', async () => {
    const live = await shop.database(`UPDATE country SET name = 'Turkey' WHERE code = 'tr'; DELETE FROM country WHERE code = 'de'`);
    const before = await shop.state(live);
    const writer = await shop.server.connect(live);
    let written: Promise<unknown> | undefined;
    const job = {
      ...quietJob,
      progress: ({ phase }: { phase: string }) => {
        if (phase === 'check') written ??= writer.query(`UPDATE country SET name = name || '!' WHERE code = 'de'`);
      },
    };
    const facts = await shop.restore(live, { tables: [['public', 'country']] }, shop.session, job);
    await written;
    await writer.end();
    const [row] = await shop.server.query<{ name: string }>(`SELECT name FROM country WHERE code = 'de'`, [], live);
    expect(row?.name).toBe('Deutsch\tland\n!');
    const now = await shop.state(live);
    const { findings } = await shop.session.planSafetyCopy(
      { ...facts.safetyCopy!, action: 'undo', force: false, lockWaitSeconds: 1, label: 'undo' },
      quietJob,
    );
    expect(findings).toMatchObject([{ code: 'later_writes', severity: 'blocker', object: 'public.country' }]);
    expect(await failureOf(shop.undo(facts))).toMatchObject({ code: 'undo_refused' });
    expect(await shop.state(live)).toEqual(now);
    const looking = await shop.server.query<{ code: string }>(findings[0]!.fix!, [], live);
    expect(looking).toMatchObject([{ code: 'de' }]);
    await shop.undo(facts, { force: true });
    expect(await shop.state(live)).toEqual(before);
    expect(await failureOf(shop.undo(facts))).toMatchObject({ code: 'safety_copy_not_found' });
  });

  it('refuses the undo where a removed row was made anew, and drops the safety copy when told', async () => {
    const live = await shop.database(`INSERT INTO country VALUES ('nl', 'Nederland')`);
    const facts = await shop.restore(live, { tables: [['public', 'country']] });
    await shop.server.query(`INSERT INTO country VALUES ('nl', 'Holland')`, [], live);
    const now = await shop.state(live);
    expect(await failureOf(shop.undo(facts))).toMatchObject({ code: 'undo_refused' });
    await shop.undo(facts, { action: 'drop' });
    const { [`${facts.safetyCopy!.schema}.about`]: _gone, ...rest } = now;
    const kept = Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith('rahat_undo_')));
    expect(await shop.state(live)).toEqual(kept);
  });

  it('of rows that a damaged backup holds is refused', async () => {
    const live = await shop.database(CHANGE_SQL);
    const before = await shop.state(live);
    const whole = shop.backup.bytes.get('rows/public/line')!;
    shop.backup.bytes.set('rows/public/line', Buffer.from(whole.toString().replace('what 1', 'what 9')));
    expect(await failureOf(shop.restore(live, EVERYTHING))).toMatchObject({ code: 'restore_mismatch' });
    shop.backup.bytes.set('rows/public/line', whole.subarray(0, -20));
    expect(await failureOf(shop.restore(live, EVERYTHING))).toMatchObject({ code: 'dump_truncated' });
    shop.backup.bytes.set('rows/public/line', whole);
    expect(await shop.state(live)).toEqual(before);
  });

  it('tells a user with few rights what is lacking, and restores when it is granted', async () => {
    const live = await shop.database(CHANGE_SQL);
    await shop.server.query(`CREATE ROLE little LOGIN PASSWORD 'little'`);
    const little = await shop.as('little', 'little');
    const tables: [string, string][] = [
      ['public', 'orders'],
      ['public', 'line'],
    ];
    const { findings } = await shop.plan(live, { tables }, little);
    const blockers = findings.filter(({ severity }) => severity === 'blocker').map(({ code, object }) => [code, object]);
    expect(blockers).toEqual([
      ['right_missing', live],
      ['right_missing', 'public.orders'],
      ['right_missing', 'public.line'],
    ]);
    expect(findings).toContainEqual(expect.objectContaining({ code: 'trigger_fires', object: 'public.orders' }));
    expect(await failureOf(shop.restore(live, { tables }, little))).toMatchObject({ code: 'restore_failed' });
    await shop.server.query(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON orders, line TO little; GRANT CREATE ON DATABASE ${live} TO little`,
      undefined,
      live,
    );
    expect((await shop.restore(live, { tables }, little)).merged).toContainEqual(expect.objectContaining({ table: 'line', inserted: 100 }));
    // Its trigger fires, and would have changed what is restored: the proof says no.
    await shop.server.query('UPDATE orders SET net = 0 WHERE id = 1', undefined, live);
    expect(await failureOf(shop.restore(live, { tables }, little))).toMatchObject({ code: 'restore_mismatch' });
    await little[Symbol.asyncDispose]();
  });

  it('says before anything changes that a circle of foreign keys has no order', async () => {
    const live = await shop.database('ALTER TABLE orders ALTER CONSTRAINT last_line NOT DEFERRABLE');
    expect((await shop.plan(live, EVERYTHING)).findings).toContainEqual(
      expect.objectContaining({ code: 'foreign_key_cycle', severity: 'blocker', object: 'public.orders: last_line' }),
    );
    const failure = await failureOf(shop.restore(live, EVERYTHING));
    expect(failure).toMatchObject({ code: 'restore_failed', hint: expect.stringContaining('DEFERRABLE') });
  });

  it('is refused where columns, rules or row security stand in the way, or the database is missing', async () => {
    const live = await shop.database('ALTER TABLE log DROP COLUMN more; CREATE RULE keep AS ON DELETE TO country DO INSTEAD NOTHING');
    const { findings } = await shop.plan(live, EVERYTHING);
    expect(findings.filter(({ severity }) => severity === 'blocker').map(({ code, object }) => [code, object])).toEqual([
      ['table_rules', 'public.country'],
      ['column_missing', 'public.log'],
    ]);
    expect((await shop.plan('nowhere', EVERYTHING)).findings).toMatchObject([{ code: 'target_missing', severity: 'blocker' }]);
  });
});
