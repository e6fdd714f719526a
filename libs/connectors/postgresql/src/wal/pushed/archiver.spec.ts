import { describe, expect, it } from '@jest/globals';
import { hasPostgresql, startPostgresql } from '@rahat/test-servers';
import { connectionTo, quietJob, until } from '../test-parts.js';
import { pushFindings } from './archiver.js';

describe.each([13, 18] as const)('the archiver of PostgreSQL %i', (major) => {
  (hasPostgresql(major) ? it : it.skip)(
    'is told what keeps it from pushing, each with its cure',
    async () => {
      await using server = await startPostgresql({ major, settings: { wal_level: 'replica' } });
      const findings = () => pushFindings(connectionTo(server), quietJob.signal);
      const codes = async () => (await findings()).map(({ code }) => code);
      const set = async (name: string, value: string) => {
        await server.query(`ALTER SYSTEM SET ${name} = '${value}'`);
        await server.query('SELECT pg_reload_conf()');
      };
      const [off] = await findings();
      expect(off).toMatchObject({ code: 'archive_mode_off', severity: 'warning' });
      await server.query(off!.fix!.split(' -- ')[0]!);
      await server.stop('fast');
      await server.restart();
      expect(await codes()).toEqual(['archive_command_missing', 'archive_timeout_off']);
      await set('archive_timeout', '60s');
      await set('archive_command', '/bin/false');
      await server.query('SELECT pg_switch_wal()');
      await until(async () => (await codes()).join() === 'archive_failing');
      expect((await findings())[0]!.message).toMatch(/fails, last at 2\S+ with 0000000100000000000000/);
      await set('archive_command', '/bin/true');
      await server.query('CREATE TABLE more (i int)');
      await server.query('SELECT pg_switch_wal()');
      await until(async () => (await codes()).length === 0);
    },
    60_000,
  );
});
