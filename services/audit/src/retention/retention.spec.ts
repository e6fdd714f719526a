import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openTestTrail, ownerOf, type TestTrail } from '../testing/open-test-trail.js';

let test: TestTrail;
beforeAll(async () => {
  test = await openTestTrail(18);
});
afterAll(async () => test?.[Symbol.asyncDispose]());

/** Ten entries, of which `old` are 100 days old. */
async function trailWithPast(organization: string, old: number): Promise<void> {
  for (let number = 1; number <= 10; number++) await test.record(organization, `plan ${number}`);
  await test.asSuperuser(
    `UPDATE audit.audit_entries SET recorded_at = now() - interval '100 days' WHERE organization_id = '${organization}' AND sequence <= ${old}`,
  );
}
const entriesOf = async (organization: string) =>
  (await test.search.list(organization, { limit: 200 })).data.map(({ sequence, action }) => `${sequence} ${action}`);

describe('the retention of a trail', () => {
  it('keeps everything for ever, until somebody says otherwise', async () => {
    await trailWithPast('org_ever', 10);
    expect(await test.retention.get('org_ever')).toEqual({ keepDays: null });
    await test.retention.dropWhatIsOld();
    expect(await entriesOf('org_ever')).toHaveLength(10);
  });

  it('drops what is older than the policy, and leaves a signed mark by which the rest is verified', async () => {
    await trailWithPast('org_a', 4);
    await test.heads.signEnd('org_a');
    const noted = (await test.verification.verify('org_a')).head!;
    await test.retention.set(ownerOf('org_a'), { keepDays: 90 });
    await test.retention.dropWhatIsOld();
    expect(await entriesOf('org_a')).toEqual([
      '12 audit.entries_dropped',
      '11 audit.retention_changed',
      ...[10, 9, 8, 7, 6, 5].map((number) => `${number} plan.created`),
    ]);
    expect(await test.search.get('org_a', 11)).toMatchObject({
      before: { keepDays: null },
      after: { keepDays: 90 },
      actor: { id: 'user_1', address: '127.0.0.1' },
      request: 'request_1',
    });
    expect(await test.verification.verify('org_a', [noted])).toMatchObject({ intact: true, entries: 8, droppedThrough: 4, sequence: 12 });
    await test.retention.dropWhatIsOld();
    expect(await entriesOf('org_a')).toHaveLength(8);
  });

  it('can be cut again and again; the last mark counts', async () => {
    await trailWithPast('org_b', 3);
    await test.retention.set(ownerOf('org_b'), { keepDays: 90 });
    await test.retention.dropWhatIsOld();
    await test.asSuperuser(`UPDATE audit.audit_entries SET recorded_at = now() - interval '95 days' WHERE organization_id = 'org_b'`);
    await test.retention.dropWhatIsOld();
    expect(await entriesOf('org_b')).toEqual(['13 audit.entries_dropped']);
    expect(await test.verification.verify('org_b')).toMatchObject({ intact: true, entries: 1, droppedThrough: 12 });
  });

  it('is found out when more is gone than the mark says, or when the mark is not signed', async () => {
    for (const organization of ['org_more', 'org_forged']) {
      await trailWithPast(organization, 4);
      await test.retention.set(ownerOf(organization), { keepDays: 90 });
      await test.retention.dropWhatIsOld();
    }
    await test.asSuperuser(`DELETE FROM audit.audit_entries WHERE organization_id = 'org_more' AND sequence <= 6`);
    expect(await test.verification.verify('org_more')).toMatchObject({
      intact: false,
      brokenAt: 1,
      reason: 'The entries 1 to 6 are missing, and no signed mark says that they were dropped.',
    });
    await trailWithPast('org_unmarked', 4);
    await test.asSuperuser(`DELETE FROM audit.audit_entries WHERE organization_id = 'org_unmarked' AND sequence <= 4`);
    await test.record('org_unmarked', 'forged', {
      action: 'audit.entries_dropped',
      details: { through: 4, hash: 'x', mark: (await test.heads.signEnd('org_unmarked'))!.signed },
    });
    expect(await test.verification.verify('org_unmarked')).toMatchObject({ intact: false, brokenAt: 1 });
  });

  it("lets the application's role drop nothing that is young, unmarked or another's", async () => {
    await trailWithPast('org_c', 4);
    await test.retention.set(ownerOf('org_c'), { keepDays: 90 });
    const drop = (as: string, of: string, through: number) =>
      test.database.inOrganization(as, (transaction) => transaction.query(`SELECT drop_audit_entries($1, $2)`, [of, through]));
    await expect(drop('org_c', 'org_c', 6)).rejects.toThrow(/younger than 90 days/);
    await expect(drop('org_c', 'org_c', 4)).rejects.toThrow(/no entry of the audit trail marks a cut/);
    await expect(drop('org_a', 'org_c', 4)).rejects.toThrow(/kept for ever/);
    await expect(
      test.database.inOrganization('org_c', (transaction) => transaction.query(`UPDATE audit_retention SET keep_days = 1`)),
    ).rejects.toThrow(/check constraint/);
    expect(await entriesOf('org_c')).toHaveLength(11);
  });
});
