import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { startPostgresql, hasPostgresql, type PostgresqlMajor } from './index.js';

describe('startPostgresql', () => {
  for (const major of [13, 14, 15, 16, 17, 18] as PostgresqlMajor[]) {
    (hasPostgresql(major) ? it : it.skip)(`starts a real PostgreSQL ${major} that asks for its password`, async () => {
      await using server = await startPostgresql({ major });
      const [row] = await server.query<{ major: number; method: string }>(
        `select current_setting('server_version_num')::int / 10000 as major, split_part(rolpassword, '$', 1) as method from pg_authid where rolname = current_user`,
      );
      expect(row).toEqual({ major, method: 'SCRAM-SHA-256' });
    });
  }

  it('keeps the data over a kill of all its processes and comes back on the same port', async () => {
    await using server = await startPostgresql({ major: 18, settings: { wal_level: 'logical' } });
    await server.query('create table kept as select 42 as answer');
    await server.query('checkpoint');
    const port = server.port;
    await server.kill9();
    await expect(server.query('select 1')).rejects.toThrow(/ECONNREFUSED/);
    await server.restart();
    expect(server.port).toBe(port);
    expect(await server.query(`select answer, current_setting('wal_level') as level from kept`)).toEqual([
      { answer: 42, level: 'logical' },
    ]);
  });

  it('leaves nothing behind', async () => {
    const { dataFolder, [Symbol.asyncDispose]: dispose } = await startPostgresql({ major: 18 });
    expect(existsSync(dataFolder)).toBe(true);
    await dispose();
    expect(existsSync(dataFolder)).toBe(false);
  });
});
