import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serversGet, type BackupUserOfServer, type PreflightReport } from '@rahat/api-client';
import { data } from '@rahat/demo';
import { cliEnvironment, rahatBackup } from './cli.js';
import { backUp, protect, untilVerified } from './protection.js';
import { shapes, STANDALONE } from './shapes.js';
import { openWorld, readLogs, type World } from './world.js';

const ADMIN_PASSWORD = 'planted-administrator';

/** The tests follow upon each other, on one server. */
describe.each(shapes(STANDALONE))('a server that is reached by a weak user ($form, $queues)', (shape) => {
  let world: World;
  let environment: NodeJS.ProcessEnv;
  let plan: Awaited<ReturnType<typeof protect>>;

  beforeAll(async () => {
    world = await openWorld(['CREATE TABLE kept AS SELECT i AS id FROM generate_series(1, 100) i'], shape);
    await world.source.query(`CREATE ROLE weak LOGIN PASSWORD 'weak'; CREATE ROLE dba LOGIN SUPERUSER PASSWORD '${ADMIN_PASSWORD}'`);
    world.connection = { ...world.connection, user: 'weak', password: 'weak' };
    plan = await protect(world, { verify: ['FULL'] });
    environment = { ...(await cliEnvironment(world.platform)), HOME: world.folder };
  }, 120_000);
  afterAll(async () => world?.[Symbol.asyncDispose]());

  const server = async () => data(serversGet({ client: world.platform.client, path: { id: plan.server } }));

  it('tells what it lacks, with exit code 1 and the cure', async () => {
    const { name } = await server();
    const report = await rahatBackup<PreflightReport>(['server', 'preflight', name, '--database', 'shop', '--for', 'logical'], environment);
    expect(report.exitCode).toBe(1);
    expect(report.data.findings.map(({ code }) => code)).toContain('select_right_missing');
    expect(report.data.script).toContain('GRANT pg_read_all_data TO "weak";');
    expect((await rahatBackup(['server', 'preflight', name, '--for', 'everything'], environment)).error?.code).toBe('invalid_input');
  });

  it('stays as it is when the administrator is refused', async () => {
    const { name } = await server();
    const args = ['server', 'create-user', name, '--admin-user', 'dba'];
    const refused = await rahatBackup(args, { ...environment, RAHAT_ADMIN_PASSWORD: 'planted-wrong' });
    expect(refused.error?.code).toBe('source_authentication_failed');
    expect((await server()).address.user).toBe('weak');
    expect(await world.source.query(`SELECT FROM pg_roles WHERE rolname = 'rahat_backup'`)).toEqual([]);
  });

  it('is backed up by the user that was made for it, and that backup is proven', async () => {
    const { name } = await server();
    const args = ['server', 'create-user', name, '--admin-user', 'dba'];
    const made = await rahatBackup<BackupUserOfServer>(args, { ...environment, RAHAT_ADMIN_PASSWORD: ADMIN_PASSWORD });
    expect(made.data).toMatchObject({ created: true, notGranted: [], server: { address: { user: 'rahat_backup' } } });
    const run = await backUp(world, plan);
    expect(run.state).toBe('succeeded');
    expect((await untilVerified(world, run.backup, 'FULL')).state).toBe('succeeded');
    // Neither in what anybody logged, nor in what the database server was told.
    expect(await readLogs(world)).not.toContain('planted');
    expect(JSON.stringify(made)).not.toContain('planted');
  }, 120_000);
});
