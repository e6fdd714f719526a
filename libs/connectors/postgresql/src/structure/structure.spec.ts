import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hasPostgresql, startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { backUp, connectionTo, quietJob } from '../physical/test-parts.js';
import { testRestoreBaseBackup } from '../physical/test-restore.js';
import { AmcheckReport } from './amcheck-program.js';

const SERVER_PACKAGES = join(import.meta.dirname, '../../../../../tools/test-servers/node_modules');
const PAGE = 8192;
let scratchFolder: string;

beforeAll(() => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-structure-'));
});
afterAll(() => {
  rmSync(scratchFolder, { recursive: true, force: true });
});

/** Overwrites bytes of a relation behind its stopped server's back; there are no checksums that could tell. */
async function damage(server: PostgresqlServer, relation: string, change: (bytes: Buffer) => void): Promise<void> {
  const [row] = await server.query<{ path: string }>('SELECT pg_relation_filepath($1::regclass) AS path', [relation]);
  await server.stop();
  const path = join(server.dataFolder, row?.path ?? '');
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
  await server.restart();
}

describe.each([
  [15, 'pg_amcheck 15.'],
  [17, 'the extension amcheck 1.4'],
] as const)('a test restore of PostgreSQL %i', (major, looker) => {
  (hasPostgresql(major) ? it : it.skip)('fails with the name of an index or a table whose pages are damaged', async () => {
    const toolFolders = major === 15 ? [] : [join(SERVER_PACKAGES, `postgresql-${major}`)];
    const context = { toolFolders, scratchFolder, signal: quietJob.signal };
    await using server = await startPostgresql({ major });
    await server.query('CREATE TABLE sound AS SELECT n AS id FROM generate_series(1, 2000) n; CREATE INDEX ON sound (id)');
    await server.query(
      'CREATE TABLE hurt AS SELECT n AS id, md5(n::text) AS note FROM generate_series(1, 2000) n; CREATE INDEX hurt_id ON hurt (id)',
    );
    await server.query('CREATE TABLE torn AS SELECT n AS id, md5(n::text) AS note FROM generate_series(1, 2000) n');
    await server.query('VACUUM FREEZE torn');
    const whole = await testRestoreBaseBackup(await backUp(connectionTo(server)), context, quietJob);
    expect(whole.findings.map(({ code }) => code)).toEqual(['structure_checked', 'read_back']);
    expect(whole.findings[0]?.message).toContain(looker);

    // Two entries of a leaf page change places, so that the order is wrong: each line pointer has four bytes.
    await damage(server, 'hurt_id', (bytes) => {
      const first = PAGE + 24 + 4;
      const pointers = Buffer.from(bytes.subarray(first, first + 8));
      pointers.copy(bytes, first, 4, 8);
      pointers.copy(bytes, first + 4, 0, 4);
    });
    // The row's number of columns (t_infomask2) says more than the table has.
    await damage(server, 'torn', (bytes) => {
      const offset = bytes.readUInt32LE(24) & 0x7fff;
      bytes.writeUInt16LE((bytes.readUInt16LE(offset + 18) & ~0x7ff) | 1000, offset + 18);
    });
    const hurt = await testRestoreBaseBackup(await backUp(connectionTo(server)), context, quietJob);
    const blockers = hurt.findings.filter(({ severity }) => severity === 'blocker');
    expect([...new Set(blockers.map(({ object }) => object))].sort()).toEqual(['postgres.public.hurt_id', 'postgres.public.torn']);
    expect(blockers.every(({ fix }) => fix !== undefined)).toBe(true);
  });
});

it('reads what pg_amcheck prints, however it is cut', () => {
  const printed = `heap table "a.b.c d", block 3, offset 5, attribute 1:
    first fault
heap table "a.b.c d", block 4, offset 1:
    second fault
btree index "a.b.""x":
    ERROR:  item order invariant violated
    DETAIL:  Lower index tid=(1,2)
`;
  for (const cut of [1, 7, 1000]) {
    const report = new AmcheckReport();
    for (let at = 0; at < printed.length; at += cut) report.add(printed.slice(at, at + cut));
    report.end();
    expect(report.findings().map(({ object, message }) => [object, message])).toEqual([
      ['a.b.c d', 'a.b.c d is damaged: first fault (and 1 more faults)'],
      ['a.b.""x', 'a.b.""x is damaged: item order invariant violated'],
    ]);
  }
});
