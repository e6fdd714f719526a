import { describe, expect, it } from '@jest/globals';
import { canonicalJson } from './canonical-json.js';
import { followLink, GENESIS_HASH, sealEntry, type StoredEntry } from './chain.js';

function chain(length: number): StoredEntry[] {
  const entries: StoredEntry[] = [];
  let previousHash = GENESIS_HASH;
  for (let sequence = 1; sequence <= length; sequence++) {
    const entry = sealEntry({
      organization: 'org_a',
      sequence,
      previousHash,
      id: `audit_${sequence}`,
      at: '2026-11-24T00:00:00.000Z',
      actor: { kind: 'user', id: 'u', name: 'Ü', address: null },
      action: 'plan.created',
      target: { kind: 'plan', id: 'p', name: null },
      details: { b: 1, a: [true, null] },
      request: null,
    });
    entries.push(entry);
    previousHash = entry.hash;
  }
  return entries;
}

function firstFault(entries: StoredEntry[], organization = 'org_a'): string | undefined {
  let before = { sequence: 0, hash: GENESIS_HASH };
  for (const entry of entries) {
    const followed = followLink(entry, before, organization);
    if ('fault' in followed) return `${before.sequence + 1}: ${followed.fault}`;
    before = entry;
  }
  return undefined;
}

describe('the chain of the trail', () => {
  it('holds as it was written', () => expect(firstFault(chain(5))).toBeUndefined());

  it('breaks at the entry that was changed, removed, moved or taken from another organization', () => {
    const [one, two, three, four] = chain(4) as [StoredEntry, StoredEntry, StoredEntry, StoredEntry];
    expect(firstFault([one, { ...two, content: two.content.replace('plan.created', 'plan.removed') }, three])).toBe(
      '2: The content of entry 2 does not match its hash.',
    );
    expect(firstFault([one, three, four])).toBe('2: Entry 2 is missing.');
    expect(firstFault([one, { ...three, sequence: 2 }, { ...two, sequence: 3 }])).toBe('2: Entry 2 was moved here from another place.');
    expect(firstFault([one, two], 'org_b')).toBe('1: Entry 1 was moved here from another place.');
  });

  it('breaks after an entry that was replaced together with its hash', () => {
    const [one, two, three] = chain(3) as [StoredEntry, StoredEntry, StoredEntry];
    const forged = sealEntry({ ...JSON.parse(two.content), action: 'nothing.happened' });
    expect(firstFault([one, forged, three])).toBe('3: Entry 3 does not follow the entry before it.');
  });
});

describe('canonical JSON', () => {
  it('is the same text whatever the order of members', () => {
    expect(canonicalJson({ b: [1, { d: 'x', c: null }], a: 'é', skipped: undefined })).toBe('{"a":"é","b":[1,{"c":null,"d":"x"}]}');
    expect(canonicalJson({ a: 'é', b: [1, { c: null, d: 'x' }] })).toBe(canonicalJson({ b: [1, { d: 'x', c: null }], a: 'é' }));
  });
  it('keeps what PostgreSQL can store', () => expect(canonicalJson('a\0b\ud800')).toBe('"a\ufffdb\ufffd"'));
});
