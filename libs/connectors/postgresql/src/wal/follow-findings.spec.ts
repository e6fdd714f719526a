import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { followFindings } from './follow-findings.js';
import { connectionTo, failureOf, followedSettings } from './test-parts.js';

let server: PostgresqlServer;
beforeAll(async () => {
  server = await startPostgresql({ major: 15, settings: followedSettings });
});
afterAll(() => server.stop());

const { signal } = new AbortController();
const codes = async () => (await followFindings(connectionTo(server), signal)).map(({ code, severity }) => ({ code, severity }));

describe('what is in the way of following a log', () => {
  it('is that pg_hba.conf lets nobody in for replication', async () => {
    expect(await codes()).toEqual([{ code: 'slot_keeps_without_limit', severity: 'warning' }]);
    const file = join(server.dataFolder, 'pg_hba.conf');
    const before = await readFile(file, 'utf8');
    await writeFile(file, `host replication all all reject\n${before}`);
    await server.query('SELECT pg_reload_conf()');
    expect(await codes()).toContainEqual({ code: 'replication_entry_missing', severity: 'blocker' });
    await writeFile(file, before);
    await server.query('SELECT pg_reload_conf()');
  });

  it('is no finding where the server went away just then: it may be back for the next attempt', async () => {
    let connections = 0;
    const address = createServer((client) => {
      if (++connections > 1) return void client.resetAndDestroy();
      const source = connect(server.port, server.host);
      client.on('error', () => undefined).pipe(source);
      source.on('error', () => undefined).pipe(client);
    });
    await new Promise<void>((listening) => address.listen(0, '127.0.0.1', listening));
    const { port } = address.address() as { port: number };
    const found = followFindings(connectionTo(server, { host: '127.0.0.1', port, tls: 'disable' }), signal);
    const failure = await failureOf(found.finally(() => address.close()));
    expect(connections).toBeGreaterThan(1);
    expect(failure).toMatchObject({ code: 'source_unreachable', retryable: true });
  });
});
