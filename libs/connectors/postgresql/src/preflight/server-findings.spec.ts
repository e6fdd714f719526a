import { execFile } from 'node:child_process';
import { chown, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PostgresqlConnection, PreflightFinding, PreflightReport } from '@rahat/contracts';
import { type PostgresqlServer, startPostgresql } from '@rahat/test-servers';
import { connectionTo } from '../physical/test-parts.js';
import { runScript } from '../testing/run-script.js';
import { extensionFindings } from './extension-findings.js';
import { preflightReport } from './report.js';
import { encryptionFindings, replicaFindings } from './server-findings.js';
import { supportFindings } from './version-findings.js';

const codes = (found: readonly { code: string }[]) => found.map(({ code }) => code);

describe('what is told without asking the server', () => {
  it.each([
    ['in clear over a network', { tls: 'prefer' }, { encrypted: false, remoteAddress: '192.0.2.1' }, ['connection_not_encrypted']],
    ['in clear on this machine', { tls: 'prefer' }, { encrypted: false, remoteAddress: '127.0.0.1' }, []],
    ['in clear on this machine, as IPv6 tells it', { tls: 'disable' }, { encrypted: false, remoteAddress: '::ffff:127.0.0.1' }, []],
    ['in clear through a tunnel', { tls: 'disable', route: {} }, { encrypted: false, remoteAddress: '192.0.2.1' }, []],
    ['by a local socket', { tls: 'prefer', host: '/run/postgresql' }, { encrypted: false, remoteAddress: undefined }, []],
    ['encrypted, with whomever', { tls: 'require' }, { encrypted: true, remoteAddress: '192.0.2.1' }, ['certificate_not_checked']],
    ['encrypted, with an authority', { tls: 'require', tlsCa: 'pem' }, { encrypted: true, remoteAddress: '192.0.2.1' }, []],
    ['encrypted and checked', { tls: 'verify-full' }, { encrypted: true, remoteAddress: '192.0.2.1' }, []],
  ])('of a connection %s', (_, connection, seen, expected) => {
    expect(codes(encryptionFindings({ host: 'db', ...connection } as PostgresqlConnection, seen))).toEqual(expected);
  });

  it('is that a major gets no more releases, from the day of its last one', () => {
    const on = (day: string) => codes(supportFindings({ major: 15, version: '15.20' }, new Date(day)));
    expect(on('2027-11-10')).toEqual([]);
    expect(on('2027-11-12')).toEqual(['version_out_of_support']);
    expect(supportFindings({ major: 99, version: '99.1' }, new Date())).toEqual([]);
  });

  it('is that a replica is far behind', () => {
    expect(replicaFindings({ behindSeconds: null })).toEqual([]);
    expect(replicaFindings({ behindSeconds: 299 })).toEqual([]);
    expect(replicaFindings({ behindSeconds: 301.4 })[0]?.message).toContain('301 s behind');
  });

  it('is what extensions ask of a restore', () => {
    expect(codes(extensionFindings([]))).toEqual([]);
    const found = extensionFindings([
      { name: 'pgcrypto', version: '1.3' },
      { name: 'timescaledb', version: '2.1' },
      { name: 'constructor', version: '1' },
    ]);
    expect(found.map(({ code, object }) => [code, object])).toEqual([
      ['extensions', 'pgcrypto 1.3, timescaledb 2.1, constructor 1'],
      ['timescaledb', 'timescaledb 2.1'],
    ]);
  });
});

/** The tests follow upon each other, on one server. */
describe('what is told of a server', () => {
  let server: PostgresqlServer;
  const report = (change: Partial<PostgresqlConnection> = {}): Promise<PreflightReport> =>
    preflightReport(
      connectionTo(server, { tls: 'disable', ...change }),
      { uses: ['logical'] },
      { toolFolders: [], scratchFolder: '/nowhere', signal: new AbortController().signal },
    );
  const found = async (code: string, change: Partial<PostgresqlConnection> = {}): Promise<PreflightFinding[]> =>
    (await report(change)).findings.filter((finding) => finding.code === code);

  beforeAll(async () => {
    server = await startPostgresql({ major: 15, settings: { autovacuum: 'off', autovacuum_freeze_max_age: '2000000000' } });
    await server.query('CREATE UNLOGGED TABLE cache (v int)');
  });
  afterAll(async () => server?.[Symbol.asyncDispose]());

  const runCures = async () => runScript(server, (await report()).script);

  it.each([
    ['session', 'pooler', 'warning'],
    ['transaction', 'pooler_transaction_mode', 'blocker'],
  ] as const)('is a pooler in %s mode', async (mode, code, severity) => {
    await using pooler = await startPooler(server, mode);
    expect(await found(code, { host: '127.0.0.1', port: pooler.port })).toMatchObject([{ severity, section: 'reach' }]);
    expect(await found(code)).toEqual([]);
  });

  it('is a collation that changed under an index, until its script was run', async () => {
    await server.query(
      `CREATE COLLATION turkish (provider = icu, locale = 'tr'); CREATE TABLE words (w text COLLATE turkish); CREATE INDEX ON words (w)`,
    );
    await server.query(`UPDATE pg_collation SET collversion = '1' WHERE collname IN ('turkish', 'de-x-icu')`);
    expect(await found('collation_version_mismatch')).toMatchObject([
      { database: 'postgres', object: 'public.turkish', section: 'health' },
    ]);
    await runCures();
    expect(await found('collation_version_mismatch')).toEqual([]);
  });

  it('is that transaction numbers run out, until its script was run', async () => {
    expect(await found('wraparound_near')).toEqual([]);
    await server.stop();
    // A multiple of the transactions that one segment of pg_xact holds, which the server would have made on its way there.
    const [segment, ofSegment] = [1144, 1_048_576];
    const file = join(server.dataFolder, 'pg_xact', segment.toString(16).toUpperCase().padStart(4, '0'));
    const { uid, gid } = await stat(server.dataFolder);
    await writeFile(file, Buffer.alloc(262_144));
    await chown(file, uid, gid);
    const arguments_ = ['-D', server.dataFolder, '-x', String(segment * ofSegment)];
    await promisify(execFile)('/usr/lib/postgresql/15/bin/pg_resetwal', arguments_, { uid, gid, cwd: server.dataFolder });
    await server.restart();
    expect((await found('wraparound_near')).map(({ database }) => database).sort()).toEqual(['postgres', 'template1']);
    await runCures();
    expect(await found('wraparound_near')).toEqual([]);
  });

  it('is that it is a replica, whose unlogged tables nobody can read', async () => {
    expect(await report()).toMatchObject({ role: 'primary' });
    await writeFile(join(server.dataFolder, 'standby.signal'), '');
    await server.restart();
    const seen = await report();
    expect(seen).toMatchObject({ role: 'replica' });
    expect(seen.facts).toContainEqual({ section: 'identity', name: 'role', value: 'replica' });
    expect(codes(seen.findings)).toEqual(expect.arrayContaining(['replica_source', 'unlogged_tables_on_replica']));
    expect(seen.script).toContain('-- This server is a replica');
    await runCures();
    expect(await server.query('SHOW hot_standby_feedback')).toEqual([{ hot_standby_feedback: 'on' }]);
    expect(await found('replica_source')).toEqual([]);
  });
});

/**
 * What these specs need of a pooler: its clients get a key that is none of the server's. In transaction mode all of them share one
 * session, which works as long as none asks while another one waits for its answer.
 */
async function startPooler(
  { host, port }: { host: string; port: number },
  mode: 'session' | 'transaction',
): Promise<{ port: number } & AsyncDisposable> {
  const open: Socket[] = [];
  let session: { upstream: Socket; asker: Socket } | undefined;
  const speak = (client: Socket, first: Buffer): void => {
    const joins = session !== undefined && mode === 'transaction';
    const own = joins ? session! : (session = { upstream: connect(port, host).on('error', () => undefined), asker: client });
    const ask = (chunk: Buffer): void => {
      own.asker = client;
      // Its good-bye is not the session's.
      if (mode === 'session' || chunk[0] !== 'X'.charCodeAt(0)) own.upstream.write(chunk);
    };
    client.on('data', ask);
    if (joins) return void client.write(Buffer.concat([message('R', [0]), message('K', [4711, 1]), Buffer.from('Z\0\0\0\x05I')]));
    open.push(own.upstream);
    own.upstream.on('data', (chunk: Buffer) => own.asker.write(withOtherKey(chunk)));
    ask(first);
  };
  const listener = createServer((client) => {
    open.push(client.on('error', () => undefined));
    // Not everybody who knocks says something.
    client.once('data', (first: Buffer) => speak(client, first));
  });
  await new Promise<void>((listening) => listener.listen(0, '127.0.0.1', listening));
  return {
    port: (listener.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((done) => listener.close(done));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function message(type: string, numbers: number[]): Buffer {
  const body = Buffer.concat(numbers.map((number) => Buffer.from(Uint32Array.of(number).buffer).swap32()));
  return Buffer.concat([Buffer.from(type), Buffer.from(Uint32Array.of(body.length + 4).buffer).swap32(), body]);
}

/** BackendKeyData: its type, its length of 12, the number of the server's process. */
function withOtherKey(chunk: Buffer): Buffer {
  const at = chunk.indexOf('K\0\0\0\x0c', 0, 'latin1');
  if (at >= 0) chunk.writeUInt32BE(4711, at + 5);
  return chunk;
}
