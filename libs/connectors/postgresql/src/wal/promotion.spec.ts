import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hasPostgresql, NumberedWriters, startPostgresql } from '@rahat/test-servers';
import pg from 'pg';
import type { PostgresqlConnection } from '@rahat/contracts';
import { restoreBaseBackupToFolder } from '../physical/index.js';
import { makeThrowawayFolder, startThrowawayServer } from '../throwaway/index.js';
import { backUp, connectionTo, followedSettings, LogInMemory, quietJob, startFollower, toolFoldersOf, until } from './test-parts.js';
import { parseLogPosition } from '../physical/log-position.js';

const { signal } = quietJob;
let scratchFolder: string;
beforeAll(async () => {
  scratchFolder = await mkdtemp(join(tmpdir(), 'rhb-wal-spec-'));
});
afterAll(() => rm(scratchFolder, { recursive: true, force: true }));

/** One address, behind which the server changes, as behind a virtual address or a name. */
class Address implements AsyncDisposable {
  readonly host = '127.0.0.1';
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    public behind: Pick<PostgresqlConnection, 'host' | 'port'>,
  ) {
    server.on('connection', (client) => {
      const { host, port } = this.behind;
      const source = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
      for (const [one, other] of [
        [client, source],
        [source, client],
      ] as const) {
        this.sockets.add(one);
        one.on('error', () => undefined).on('close', () => other.destroy());
        one.pipe(other);
      }
    });
  }

  static async open(behind: Pick<PostgresqlConnection, 'host' | 'port'>): Promise<Address> {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return new Address(server, behind);
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  moveTo(behind: Pick<PostgresqlConnection, 'host' | 'port'>): void {
    this.behind = behind;
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.moveTo(this.behind);
    await new Promise((closed) => this.server.close(closed));
  }
}

describe.each([13, 15, 18] as const)('when the source of PostgreSQL %i dies and its standby is promoted', (major) => {
  (hasPostgresql(major) ? it : it.skip)(
    'the log goes on without a gap, and each row that was acknowledged before a moment, and none sent after it, is in what is restored to it',
    async () => {
      const toolFolders = toolFoldersOf(major);
      await using primary = await startPostgresql({
        major,
        settings: { ...followedSettings, synchronous_commit: 'on', max_connections: '100', max_worker_processes: '8' },
      });
      await using address = await Address.open(primary);
      const backup = await backUp(connectionTo(primary));
      const log = new LogInMemory();
      await using follower = startFollower(connectionTo(primary, { port: address.port, tls: 'disable' }), log);
      await until(() => log.kept.length > 0, follower);

      // Nothing is acknowledged that the standby doesn't have, so that the promotion loses nothing.
      const folder = await makeThrowawayFolder(scratchFolder);
      const dataFolder = join(folder.path, 'data');
      await restoreBaseBackupToFolder(backup, dataFolder, quietJob);
      await writeFile(join(dataFolder, 'standby.signal'), '');
      const access = join(folder.path, 'hba');
      await writeFile(access, 'local all all trust\nlocal replication all trust\n', { mode: 0o644 });
      const { host, port, user, password } = primary;
      const settings = {
        ...followedSettings,
        hot_standby: 'on',
        max_wal_senders: '10',
        max_replication_slots: '10',
        max_connections: '100',
        max_worker_processes: '8',
        synchronous_commit: 'on',
        primary_conninfo: `host=${host} port=${port} user=${user} password=${password} application_name=standby`,
        hba_file: access,
      };
      await using standby = await startThrowawayServer({ major, folder, dataFolder, scratchFolder, toolFolders, signal, settings });
      await primary.query(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`);
      await primary.query('SELECT pg_reload_conf()');
      await until(async () => (await primary.query(`SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`)).length === 1, follower);

      const writers = await NumberedWriters.start(async () => {
        const client = new pg.Client({
          host: address.host,
          port: address.port,
          user,
          password,
          database: 'postgres',
          connectionTimeoutMillis: 5_000,
        });
        client.on('error', () => undefined);
        await client.connect();
        return client;
      }, 4);
      await delay(2_000);
      const beforePromotion = writers.acknowledged;
      await primary.kill9();
      const client = new pg.Client({ ...standby.connection, database: 'postgres' });
      client.on('error', () => undefined);
      await client.connect();
      await client.query('SELECT pg_promote()');
      address.moveTo(standby.connection);
      await until(() => writers.acknowledged > beforePromotion * 2, follower);
      await writers.stop();
      const { rows } = await client.query<{ position: string }>('SELECT pg_current_wal_insert_lsn()::text AS position');
      await client.end();
      await until(() => log.end.timeline === 2 && parseLogPosition(log.end.lsn) >= parseLogPosition(rows[0]!.position), follower);
      expect(await follower.stop()).toMatchObject({ reason: 'stopped', position: log.end });
      expect([...log.histories.keys()]).toEqual([2]);

      for (const share of [0.25, 0.5 + Math.random() / 10, 0.9]) {
        const moment = writers.momentAt(share);
        const restored = join(await makeThrowawayFolder(scratchFolder).then(({ path }) => path), 'data');
        await restoreBaseBackupToFolder(backup, restored, quietJob, {
          target: { kind: 'time', time: new Date(moment).toISOString(), inclusive: true },
          log,
        });
        await using server = await startThrowawayServer({ dataFolder: restored, scratchFolder, toolFolders, signal });
        const verdict = writers.judge(await NumberedWriters.read(server.connection), moment);
        expect(verdict).toMatchObject({ missing: [], tooNew: [] });
        expect(verdict.expected).toBeGreaterThan(10);
      }
    },
    240_000,
  );
});
