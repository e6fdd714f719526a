import { describe, expect, it } from '@jest/globals';
import type { DatabaseSelection } from '@rahat/contracts';
import { coveredBy } from './databases.table.js';
import { matchesPattern } from './name-pattern.js';

const database = (name: string, change: object = {}) => ({
  name,
  excluded: false,
  missing_since: null,
  connectable: true,
  tags: [] as string[],
  ...change,
});
const found = [
  database('shop'),
  database('shop_test'),
  database('crm', { tags: ['env=prod'] }),
  database('old', { missing_since: new Date() }),
  database('private', { excluded: true }),
  database('template0', { connectable: false }),
];
const covered = (databases: DatabaseSelection) => coveredBy({ databases }, found).map(({ name }) => name);

describe('the databases of a plan', () => {
  it('are all that are there and wanted', () => expect(covered('all')).toEqual(['shop', 'shop_test', 'crm']));
  it('are the named ones, also when excluded or gone', () =>
    expect(covered(['shop', 'old', 'private'])).toEqual(['shop', 'old', 'private']));
  it('are those that patterns include and none excludes', () => {
    expect(covered({ include: ['shop*', 'cr?'], exclude: ['*_test'], tags: [] })).toEqual(['shop', 'crm']);
    expect(covered({ include: ['*'], exclude: ['*'], tags: [] })).toEqual([]);
  });
  it('carry the wanted tags, by key or by key and value', () => {
    expect(covered({ include: ['*'], exclude: [], tags: ['env'] })).toEqual(['crm']);
    expect(covered({ include: ['*'], exclude: [], tags: ['env=test'] })).toEqual([]);
  });
});

describe('a name pattern', () => {
  it.each([
    ['a.b', 'a.b', true],
    ['axb', 'a.b', false],
    ['aXXbXXb', 'a*b', true],
    ['aXXbXXc', 'a*b', false],
    ['', '*', true],
    ['', '?', false],
    ['ğüş', '???', true],
    ['a\nb', 'a*b', true],
    ['[a]', '[a]', true],
    ['abc', 'abc**', true],
  ])('%j by %j: %s', (name, pattern, expected) => expect(matchesPattern(name, pattern)).toBe(expected));
  it('takes no time to speak of, however many stars it has', () => {
    expect(matchesPattern('a'.repeat(2_000), `${'*a'.repeat(90)}*b`)).toBe(false);
  });
});
