import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EventPayload } from '@rahat/contracts';
import { openServiceDatabase, provisionDatabase, type ServiceDatabase, type Transaction } from '@rahat/persistence';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { auditMigrations } from '../migrations/index.js';
import { GENESIS_HASH, sealEntry } from './chain.js';
import { TrailService } from './trail.service.js';

let server: PostgresqlServer;
let database: ServiceDatabase;
let trail: TrailService;

const act = (organization: string, name: string, details: Record<string, unknown> = {}): EventPayload<'audit.recorded.v1'> => ({
  organization,
  actor: { kind: 'user', id: 'user_1', name: 'Ada', address: '127.0.0.1' },
  action: 'plan.created',
  target: { kind: 'plan', id: name, name },
  details,
  at: new Date().toISOString(),
});
const record = (organization: string, name: string, details?: Record<string, unknown>) =>
  database.asSystem('test', (transaction) => trail.append(transaction, act(organization, name, details)));
/** As the application's role, in both of its ways to work. */
const refusals = async (sql: string) => {
  const work = (transaction: Transaction) => transaction.query(sql);
  await expect(database.inOrganization('org_a', work)).rejects.toThrow(/permission denied|append-only|does not continue/);
  await expect(database.asSystem('test', work)).rejects.toThrow(/permission denied|append-only|does not continue/);
};

beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
  const { serviceUrls } = await provisionDatabase({ adminUrl: server.connectionString(), services: [{ name: 'audit', password: 'pw' }] });
  database = await openServiceDatabase({ url: serviceUrls['audit']!, service: 'audit', migrations: auditMigrations, poolSize: 8 });
  trail = new TrailService(database, {
    encode: (position) => JSON.stringify(position),
    decode: (cursor, schema) => schema.parse(JSON.parse(cursor)) as never,
  });
  for (const name of ['one', 'two', 'three', 'four', 'five']) await record('org_a', name);
});
afterAll(async () => {
  await database?.close();
  await server?.[Symbol.asyncDispose]();
});

describe('the audit trail', () => {
  it('keeps one chain per organization, whoever writes at once', async () => {
    await Promise.all(Array.from({ length: 24 }, (_, index) => record(index % 2 === 0 ? 'org_b' : 'org_c', `n${index}`)));
    for (const organization of ['org_b', 'org_c'])
      expect(await trail.verify(organization)).toMatchObject({ intact: true, entries: 12, brokenAt: null });
    expect(await trail.verify('org_nobody')).toEqual({ intact: true, entries: 0, head: null, brokenAt: null, reason: null });
  });

  it('pages from the newest on, and shows an organization only its own', async () => {
    const first = await trail.list('org_a', { limit: 2 });
    const second = await trail.list('org_a', { limit: 2, cursor: first.page.nextCursor! });
    const third = await trail.list('org_a', { limit: 2, cursor: second.page.nextCursor! });
    expect([...first.data, ...second.data, ...third.data].map((entry) => [entry.sequence, entry.target.name])).toEqual([
      [5, 'five'],
      [4, 'four'],
      [3, 'three'],
      [2, 'two'],
      [1, 'one'],
    ]);
    expect(third.page).toEqual({ nextCursor: null, hasMore: false });
    expect(first.data[0]!.previousHash).toBe(first.data[1]!.hash);
  });

  it('stores any text and no secret', async () => {
    await record('org_d', 'nul\0 and half \ud800', {
      password: 'planted-secret',
      note: 'postgresql://u:planted-secret@h/d',
      'odd\0key': 1,
    });
    expect(await trail.verify('org_d')).toMatchObject({ intact: true, entries: 1 });
    expect(JSON.stringify(await server.query(`SELECT * FROM audit.audit_entries`))).not.toContain('planted-secret');
  });

  it("refuses update, delete, truncate and reordering as the application's role", async () => {
    await refusals(`UPDATE audit_entries SET content = '{}' WHERE sequence = 1`);
    await refusals(`UPDATE audit_entries SET sequence = sequence + 100`);
    await refusals(`DELETE FROM audit_entries`);
    await refusals(`TRUNCATE audit_entries`);
    await refusals(
      `INSERT INTO audit_entries VALUES ('org_a', 1, '{}', repeat('0', 64)) ON CONFLICT (organization_id, sequence) DO UPDATE SET content = '{}'`,
    );
    expect(await trail.verify('org_a')).toMatchObject({ intact: true, entries: 5 });
  });

  it('refuses them also when the rights were given back', async () => {
    await server.query(`GRANT ALL ON audit.audit_entries TO rahat_audit, rahat_audit_system`);
    await refusals(`UPDATE audit_entries SET content = '{}' WHERE sequence = 1`);
    await refusals(`DELETE FROM audit_entries WHERE sequence = 1`);
    await refusals(`TRUNCATE audit_entries`);
  });

  it('accepts only the next link: no gap, no second genesis, no false hash, no other organization', async () => {
    const base = {
      id: 'audit_x',
      at: '',
      actor: { kind: 'user', id: 'u', name: 'u', address: null },
      action: 'x',
      target: { kind: 'x', id: 'x', name: null },
      details: {},
      request: null,
    };
    const insert = (organization: string, sequence: number, content: string, hash: string) =>
      database.inOrganization('org_a', (t) =>
        t.query(`INSERT INTO audit_entries (organization_id, sequence, content, hash) VALUES ($1, $2, $3, $4)`, [
          organization,
          sequence,
          content,
          hash,
        ]),
      );
    const genesis = sealEntry({ ...base, organization: 'org_a', sequence: 6, previousHash: GENESIS_HASH });
    await expect(insert('org_a', 6, genesis.content, genesis.hash)).rejects.toThrow('does not continue');
    const head = (await trail.verify('org_a')).head!;
    const next = sealEntry({ ...base, organization: 'org_a', sequence: 6, previousHash: head });
    await expect(insert('org_a', 7, next.content, next.hash)).rejects.toThrow('does not continue');
    await expect(insert('org_a', 6, next.content, GENESIS_HASH)).rejects.toThrow('does not continue');
    await expect(insert('org_b', 13, next.content, next.hash)).rejects.toThrow(/row-level security|does not continue/);
    await insert('org_a', 6, next.content, next.hash);
    expect(await trail.verify('org_a')).toMatchObject({ intact: true, entries: 6 });
  });

  it('finds a cut-off end by the head that was noted before', async () => {
    for (const name of ['a', 'b', 'c']) await record('org_e', name);
    const { head } = await trail.verify('org_e');
    await record('org_e', 'd');
    expect(await trail.verify('org_e', head!)).toMatchObject({ intact: true, entries: 4 });
    await server.query(
      `SET session_replication_role = replica; DELETE FROM audit.audit_entries WHERE organization_id = 'org_e' AND sequence > 2; RESET session_replication_role`,
    );
    expect(await trail.verify('org_e')).toMatchObject({ intact: true, entries: 2 });
    expect(await trail.verify('org_e', head!)).toMatchObject({ intact: false, brokenAt: 3, reason: expect.stringContaining('cut off') });
  });

  it('finds the link that a superuser broke, by its number', async () => {
    const asSuperuser = (sql: string) => server.query(`SET session_replication_role = replica; ${sql}; RESET session_replication_role`);
    await asSuperuser(
      `UPDATE audit.audit_entries SET content = replace(content, 'plan.created', 'plan.deleted') WHERE organization_id = 'org_a' AND sequence = 3`,
    );
    expect(await trail.verify('org_a')).toEqual({
      intact: false,
      entries: 2,
      head: expect.any(String),
      brokenAt: 3,
      reason: 'The content of entry 3 does not match its hash.',
    });
    await asSuperuser(`DELETE FROM audit.audit_entries WHERE organization_id = 'org_b' AND sequence = 7`);
    expect(await trail.verify('org_b')).toMatchObject({ intact: false, brokenAt: 7, reason: 'Entry 7 is missing.' });
    await asSuperuser(
      `UPDATE audit.audit_entries SET sequence = CASE sequence WHEN 4 THEN 5 ELSE 4 END + 1000 WHERE organization_id = 'org_c' AND sequence IN (4, 5); UPDATE audit.audit_entries SET sequence = sequence - 1000 WHERE sequence > 1000`,
    );
    expect(await trail.verify('org_c')).toMatchObject({ intact: false, brokenAt: 4, reason: 'Entry 4 was moved here from another place.' });
  });
});
