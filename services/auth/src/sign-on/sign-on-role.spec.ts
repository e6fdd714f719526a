import { describe, expect, it } from '@jest/globals';
import { groupsIn, isOfDomain, roleOf } from './sign-on-role.js';

describe('the role of a signed-on user', () => {
  const roles = [
    { group: 'readers', role: 'viewer' as const, serverGroups: null },
    { group: 'dba', role: 'admin' as const, serverGroups: null },
    { group: 'ops', role: 'operator' as const, serverGroups: null },
  ];
  it.each([
    [['readers'], null, 'viewer'],
    [['readers', 'ops', 'dba'], null, 'admin'],
    [['ops', 'readers'], null, 'operator'],
    [['DBA'], null, undefined],
    [['else'], 'auditor' as const, 'auditor'],
    [['readers'], 'operator' as const, 'viewer'],
    [[], null, undefined],
  ])('%j, otherwise %s: %s', (groups, otherwise, role) => expect(roleOf(groups, { roles, otherwise })?.role).toBe(role));

  it('reaches as far as all groups together that give it, and no further than those', () => {
    const [a, b] = ['group_a', 'group_b'];
    const limited = [
      { group: 'acme', role: 'operator' as const, serverGroups: [a] },
      { group: 'globex', role: 'operator' as const, serverGroups: [b, a] },
      { group: 'staff', role: 'operator' as const, serverGroups: null },
      { group: 'everybody', role: 'viewer' as const, serverGroups: null },
    ];
    const reached = (...groups: string[]) => roleOf(groups, { roles: limited, otherwise: null });
    expect(reached('acme', 'everybody')).toEqual({ role: 'operator', serverGroups: [a] });
    expect(reached('acme', 'globex')).toEqual({ role: 'operator', serverGroups: [a, b] });
    expect(reached('acme', 'staff')).toEqual({ role: 'operator', serverGroups: null });
    expect(reached('everybody')).toEqual({ role: 'viewer', serverGroups: null });
  });

  it('comes from names of groups and nothing else', () => {
    expect([groupsIn(['a', 1, null, 'b']), groupsIn('a'), groupsIn({ a: true }), groupsIn(undefined)]).toEqual([['a', 'b'], ['a'], [], []]);
  });
});

describe('a domain', () => {
  it('is the whole of what stands behind the last @', () => {
    expect(isOfDomain('ada@Example.org', ['example.org'])).toBe(true);
    for (const email of ['ada@notexample.org', 'ada@sub.example.org', 'ada@example.org@evil.net', 'example.org'])
      expect([email, isOfDomain(email, ['example.org'])]).toEqual([email, false]);
    expect(isOfDomain('ada@anywhere.net', [])).toBe(true);
  });
});
