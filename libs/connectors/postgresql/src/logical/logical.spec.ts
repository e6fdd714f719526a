import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConnectorContext, Job } from '@rahat/connector-kit';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory } from '../physical/artifacts-in-memory.js';

let server: PostgresqlServer;
let scratchFolder: string;

beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-logical-'));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

const job = (): Job => ({ signal: new AbortController().signal, progress: () => undefined, log: () => undefined });
const context = (): ConnectorContext => ({ toolFolders: [], scratchFolder, signal: new AbortController().signal });
const open = () => postgresqlConnector.open({ host: server.host, port: server.port, user: server.user, password: server.password, maintenanceDatabase: 'postgres', tls: 'prefer' }, context());

async function makeDatabase(name: string, sql: string): Promise<void> {
  await server.query(`CREATE DATABASE "${name}"`);
  const client = await server.connect(name);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

describe('a logical backup', () => {
  it('comes back whole under a new name, with each table proven', async () => {
    await makeDatabase('shop', `
      CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL, at timestamptz DEFAULT now());
      INSERT INTO customer (name) SELECT 'name ' || n FROM generate_series(1, 20000) n;
      CREATE TABLE line (v text); INSERT INTO line VALUES (''), (NULL), (E'\\\\.'), (E'a\\nb');
      SELECT lo_from_bytea(4711, 'large object'::bytea);`);
    await using session = await open();
    const backup = new ArtifactsInMemory();
    backup.facts = await session.backup({ method: 'postgresql.logical', database: 'shop', label: 'rahat-1', deep: true }, backup, job());
    expect(backup.facts.evidence).toMatchObject({ objectsExpected: 3, objectsFound: 3, rows: 20004 });
    expect(backup.facts.findings).toEqual([]);
    const restored = await session.restore({ target: { kind: 'database', name: 'shop_again', replace: false }, label: 'r1' }, backup, job());
    expect(restored.tables.every((table) => table.matches)).toBe(true);
    expect(restored.tables).toHaveLength(3);
  });
});
