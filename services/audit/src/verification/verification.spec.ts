import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ChainedEntry, GENESIS_HASH, HEAD_EVERY, sealEntry, signHead, type StoredEntry } from '@rahat/audit-trail';
import { generateKeyPair } from 'jose';
import { openTestTrail, type TestTrail } from '../testing/open-test-trail.js';

let test: TestTrail;
beforeAll(async () => {
  test = await openTestTrail();
});
afterAll(async () => test?.[Symbol.asyncDispose]());

const text = (value: string) => `$rahat$${value}$rahat$`;
const put = (organization: string, { sequence, content, hash }: StoredEntry) =>
  `INSERT INTO audit.audit_entries (organization_id, sequence, content, hash) VALUES (${text(organization)}, ${sequence}, ${text(content)}, '${hash}')
   ON CONFLICT (organization_id, sequence) DO UPDATE SET content = EXCLUDED.content, hash = EXCLUDED.hash`;

/** The chain anew from `first` on, as somebody makes it who knows how. */
function rewritten(entries: StoredEntry[], first: number, change: (entry: ChainedEntry) => ChainedEntry): StoredEntry[] {
  let previousHash = entries[first - 2]?.hash ?? GENESIS_HASH;
  return entries.slice(first - 1).map(({ content }, index) => {
    const entry = ChainedEntry.parse(JSON.parse(content));
    const sealed = sealEntry({ ...(index === 0 ? change(entry) : entry), previousHash });
    previousHash = sealed.hash;
    return sealed;
  });
}
const forged = (entry: ChainedEntry): ChainedEntry => ({ ...entry, actor: { ...entry.actor, name: 'Mallory' } });

type Tampering = (organization: string, entries: StoredEntry[]) => string | Promise<string>;
const of = (organization: string) => `organization_id = ${text(organization)}`;

/** Eight entries, signed at the sixth. What breaks, and where. */
const tamperings: [string, Tampering, number, RegExp][] = [
  [
    'edits an entry',
    (o) => `UPDATE audit.audit_entries SET content = replace(content, 'Ada', 'Eve') WHERE ${of(o)} AND sequence = 3`,
    3,
    /does not match its hash/,
  ],
  ['edits an entry and its hash', (o, entries) => put(o, rewritten(entries, 3, forged)[0]!), 4, /does not follow/],
  ['deletes an entry', (o) => `DELETE FROM audit.audit_entries WHERE ${of(o)} AND sequence = 5`, 5, /Entry 5 is missing/],
  ['deletes the beginning', (o) => `DELETE FROM audit.audit_entries WHERE ${of(o)} AND sequence <= 2`, 1, /no signed mark/],
  [
    'deletes an entry and closes the gap',
    (o) =>
      `DELETE FROM audit.audit_entries WHERE ${of(o)} AND sequence = 5; UPDATE audit.audit_entries SET sequence = sequence - 1 WHERE ${of(o)} AND sequence > 5`,
    5,
    /moved here/,
  ],
  [
    'reorders two entries',
    (o) =>
      `UPDATE audit.audit_entries SET sequence = CASE sequence WHEN 4 THEN 1005 ELSE 1004 END WHERE ${of(o)} AND sequence IN (4, 5);
       UPDATE audit.audit_entries SET sequence = sequence - 1000 WHERE ${of(o)} AND sequence > 1000`,
    4,
    /moved here/,
  ],
  [
    'inserts an entry at the end that does not follow',
    (o, entries) => put(o, sealEntry({ ...ChainedEntry.parse(JSON.parse(entries[0]!.content)), sequence: 9 })),
    9,
    /does not follow/,
  ],
  [
    'inserts an entry in the middle and chains the rest again',
    (o, entries) => {
      const shifted = rewritten(
        [...entries.slice(0, 3), entries[2]!, ...entries.slice(3)].map((entry, index) =>
          sealEntry({ ...ChainedEntry.parse(JSON.parse(entry.content)), sequence: index + 1 }),
        ),
        1,
        (entry) => entry,
      );
      return shifted.map((entry) => put(o, entry)).join(';');
    },
    6,
    /was rewritten/,
  ],
  [
    'rewrites all entries from one on',
    (o, entries) =>
      rewritten(entries, 3, forged)
        .map((entry) => put(o, entry))
        .join(';'),
    6,
    /was rewritten/,
  ],
  ['cuts the end off', (o) => `DELETE FROM audit.audit_entries WHERE ${of(o)} AND sequence > 4`, 5, /cut off: entry 6 was signed/],
  ['empties the trail', (o) => `DELETE FROM audit.audit_entries WHERE ${of(o)}`, 1, /cut off/],
  [
    'moves an entry in from another organization',
    (o) =>
      `DELETE FROM audit.audit_entries WHERE ${of(o)} AND sequence = 2; INSERT INTO audit.audit_entries (organization_id, sequence, content, hash)
       SELECT ${text(o)}, sequence, content, hash FROM audit.audit_entries WHERE organization_id = 'org_other' AND sequence = 2`,
    2,
    /moved here/,
  ],
  [
    'signs with a key of their own',
    async (o, entries) => {
      const chain = rewritten(entries, 3, forged);
      const { privateKey } = await generateKeyPair('ES256');
      const kid = (await test.keys.signer()).kid;
      const head = await signHead(
        o,
        chain.find(({ sequence }) => sequence === 6)!,
        { kid, privateKey },
        new Date(),
      );
      return `${chain.map((entry) => put(o, entry)).join(';')}; UPDATE audit.audit_heads SET signed = '${head}' WHERE ${of(o)}`;
    },
    6,
    /not by a key that is trusted/,
  ],
  [
    "takes another organization's head",
    (o) =>
      `UPDATE audit.audit_heads SET signed = (SELECT signed FROM audit.audit_heads WHERE organization_id = 'org_other') WHERE ${of(o)}`,
    6,
    /belongs to another place/,
  ],
  ['moves a head to another entry', (o) => `UPDATE audit.audit_heads SET sequence = 7 WHERE ${of(o)}`, 7, /belongs to another place/],
];

async function trailOf(organization: string): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  for (let number = 1; number <= 8; number++) {
    entries.push(await test.record(organization, `plan ${number}`));
    if (number === 6) await test.heads.signEnd(organization);
  }
  return entries;
}

describe('the verification of a trail that a superuser tampered with', () => {
  beforeAll(async () => void (await trailOf('org_other')));

  it.each(tamperings)('finds who %s', async (name, tamper, brokenAt, reason) => {
    const organization = `org ${name}`;
    const entries = await trailOf(organization);
    expect(await test.verification.verify(organization)).toMatchObject({ intact: true, entries: 8, signedHeads: 1 });
    await test.asSuperuser(await tamper(organization, entries));
    expect(await test.verification.verify(organization)).toMatchObject({ intact: false, brokenAt, reason: expect.stringMatching(reason) });
  });

  it('finds an end that was cut off together with its heads by a head that was kept elsewhere', async () => {
    await trailOf('org_cut');
    const { head: noted } = await test.verification.verify('org_cut');
    const { signed } = (await test.heads.signEnd('org_cut'))!;
    await test.record('org_cut', 'later');
    for (const kept of [noted!, signed]) expect(await test.verification.verify('org_cut', [kept])).toMatchObject({ intact: true });
    await test.asSuperuser(
      `DELETE FROM audit.audit_entries WHERE organization_id = 'org_cut' AND sequence > 5; DELETE FROM audit.audit_heads WHERE organization_id = 'org_cut'`,
    );
    expect(await test.verification.verify('org_cut')).toMatchObject({ intact: true, entries: 5 });
    for (const kept of [noted!, signed])
      expect(await test.verification.verify('org_cut', [kept])).toMatchObject({ intact: false, brokenAt: 6 });
    await expect(test.verification.verify('org_cut', [`${signed.slice(0, -4)}AAAA`])).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('misses the heads that a trail of this length would have', async () => {
    for (let number = 1; number <= HEAD_EVERY + 1; number++) await test.record('org_long', `plan ${number}`);
    expect(await test.verification.verify('org_long')).toMatchObject({ intact: true, signedHeads: 1 });
    await test.asSuperuser(`DELETE FROM audit.audit_heads WHERE organization_id = 'org_long'`);
    expect(await test.verification.verify('org_long')).toMatchObject({
      intact: false,
      brokenAt: 1,
      reason: expect.stringMatching(/not signed/),
    });
  });

  it('believes no key that was put into the database', async () => {
    const keys = (await test.keys.jwks()).keys;
    await test.asSuperuser(
      `INSERT INTO audit.audit_keys (kid, public_jwk, sealed_private) VALUES ('theirs', '${JSON.stringify(keys[0])}', 'rsb1.AAAA')`,
    );
    (test.keys as unknown as { loaded: undefined }).loaded = undefined;
    expect((await test.keys.jwks()).keys).toEqual(keys);
  });

  it('signs what has stood without a head for long enough, of each organization', async () => {
    await test.record('org_quiet', 'one');
    await test.heads.signWhatStands(60);
    expect((await test.heads.list('org_quiet', { limit: 10 })).data).toEqual([]);
    await test.heads.signWhatStands(0);
    await test.heads.signWhatStands(0);
    expect((await test.heads.list('org_quiet', { limit: 10 })).data).toMatchObject([{ sequence: 1 }]);
  });
});
