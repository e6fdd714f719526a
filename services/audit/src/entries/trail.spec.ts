import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GENESIS_HASH, sealEntry } from '@rahat/audit-trail';
import type { Transaction } from '@rahat/persistence';
import { openTestTrail, type TestTrail } from '../testing/open-test-trail.js';

let test: TestTrail;

/** As the application's role, in both of its ways to work. */
const refusals = async (sql: string) => {
  const work = (transaction: Transaction) => transaction.query(sql);
  await expect(test.database.inOrganization('org_a', work)).rejects.toThrow(REFUSED);
  await expect(test.database.asSystem('test', work)).rejects.toThrow(REFUSED);
};
const REFUSED = /permission denied|append-only|does not continue|must be (owner|able)|kept for ever|only what belongs/;

beforeAll(async () => {
  test = await openTestTrail();
  for (const name of ['one', 'two', 'three', 'four', 'five']) await test.record('org_a', name);
});
afterAll(async () => test?.[Symbol.asyncDispose]());

describe('the audit trail', () => {
  it('keeps one chain per organization, whoever writes at once', async () => {
    await Promise.all(Array.from({ length: 24 }, (_, index) => test.record(index % 2 === 0 ? 'org_b' : 'org_c', `n${index}`)));
    for (const organization of ['org_b', 'org_c'])
      expect(await test.verification.verify(organization)).toMatchObject({ intact: true, entries: 12, brokenAt: null });
    expect(await test.verification.verify('org_nobody')).toMatchObject({ intact: true, entries: 0, head: null, brokenAt: null });
  });

  it('stores any text and no secret', async () => {
    await test.record('org_d', 'nul\0 and half \ud800', {
      details: { password: 'planted-secret', note: 'postgresql://u:planted-secret@h/d', 'odd\0key': 1, long: 'word '.repeat(300_000) },
    });
    expect(await test.verification.verify('org_d')).toMatchObject({ intact: true, entries: 1 });
    const [{ leaks }] = (await test.server.query(
      `SELECT count(*)::int AS leaks FROM audit.audit_entries WHERE content LIKE '%planted-secret%'`,
    )) as [{ leaks: number }];
    expect(leaks).toBe(0);
  });

  const takings = [
    `UPDATE audit_entries SET content = '{}' WHERE sequence = 1`,
    `UPDATE audit_entries SET sequence = sequence + 100`,
    `DELETE FROM audit_entries`,
    `TRUNCATE audit_entries`,
    `INSERT INTO audit_entries (organization_id, sequence, content, hash) VALUES ('org_a', 1, '{}', repeat('0', 64)) ON CONFLICT (organization_id, sequence) DO UPDATE SET content = '{}'`,
    `DROP TABLE audit_entries`,
    `ALTER TABLE audit_entries DISABLE TRIGGER ALL`,
    `ALTER TABLE audit_entries OWNER TO CURRENT_USER`,
    `GRANT ALL ON audit_entries TO CURRENT_USER; DELETE FROM audit_entries`,
    `DROP TRIGGER audit_entries_are_final ON audit_entries`,
    `DROP FUNCTION audit_entries_are_final() CASCADE`,
    `CREATE OR REPLACE FUNCTION audit.audit_entry_continues_chain() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
    `SELECT hand_to_keeper(ARRAY['audit.audit_entries']::regclass[], '{}')`,
    `SET ROLE rahat_audit_keeper`,
    `SET session_replication_role = replica`,
    `DELETE FROM audit_heads`,
    `UPDATE audit_keys SET public_jwk = '{}'`,
    `SELECT drop_audit_entries('org_a', 3)`,
  ];
  it.each(takings)("refuses the application's role %s", async (sql) => refusals(sql));

  it('is whole after all that', async () => {
    expect(await test.verification.verify('org_a')).toMatchObject({ intact: true, entries: 5 });
  });

  it('refuses changes also when the rights were given back', async () => {
    await test.server.query(`GRANT ALL ON audit.audit_entries TO rahat_audit, rahat_audit_system`);
    for (const sql of takings.slice(0, 5)) await refusals(sql);
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
      test.database.inOrganization('org_a', (t) =>
        t.query(`INSERT INTO audit_entries (organization_id, sequence, content, hash, recorded_at) VALUES ($1, $2, $3, $4, '2001-01-01')`, [
          organization,
          sequence,
          content,
          hash,
        ]),
      );
    const genesis = sealEntry({ ...base, organization: 'org_a', sequence: 6, previousHash: GENESIS_HASH });
    await expect(insert('org_a', 6, genesis.content, genesis.hash)).rejects.toThrow('does not continue');
    const head = (await test.verification.verify('org_a')).head!;
    const next = sealEntry({ ...base, organization: 'org_a', sequence: 6, previousHash: head });
    await expect(insert('org_a', 7, next.content, next.hash)).rejects.toThrow('does not continue');
    await expect(insert('org_a', 6, next.content, GENESIS_HASH)).rejects.toThrow('does not continue');
    await expect(insert('org_b', 13, next.content, next.hash)).rejects.toThrow(/row-level security|does not continue/);
    await insert('org_a', 6, next.content, next.hash);
    expect(await test.verification.verify('org_a')).toMatchObject({ intact: true, entries: 6 });
    const [row] = (await test.server.query(
      `SELECT recorded_at > now() - interval '1 minute' AS honest FROM audit.audit_entries WHERE organization_id = 'org_a' AND sequence = 6`,
    )) as [{ honest: boolean }];
    expect(row.honest).toBe(true);
  });
});
