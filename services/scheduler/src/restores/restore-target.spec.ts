import { describe, expect, it } from '@jest/globals';
import { CreateRestorePlan, type RestoreTarget } from '@rahat/contracts';
import { targetOf } from './restore-target.js';

const NOW = new Date('2026-11-27T14:05:00Z');
const LOGICAL = { method: 'postgresql.logical', database_name: 'shop' } as const;
const PHYSICAL = { method: 'postgresql.physical', database_name: null } as const;
const folder = { kind: 'folder', path: '/srv/restored' };
const database: RestoreTarget = { kind: 'database', name: 'shop', replace: false };
const merge = { conflict: 'replace' };
const tables = [{ schema: 'public', table: 'orders' }];
const target = (backup: typeof LOGICAL | typeof PHYSICAL, request: object) => targetOf(CreateRestorePlan.parse(request), backup, NOW);

describe('the target of a restore', () => {
  it('is a folder for a whole server, and a database for one of its databases', () => {
    expect(target(PHYSICAL, { target: folder })).toEqual(folder);
    expect(target(PHYSICAL, { fromDatabase: 'shop', target: database, merge, tables })).toEqual(database);
    expect(target(PHYSICAL, { fromDatabase: 'shop', target: database, tables, intoExisting: true })).toEqual(database);
  });

  it('is a new database of a telling name where none is given', () => {
    const named = { kind: 'database', name: 'shop_restored_20261127_140500', replace: false };
    expect(target(LOGICAL, {})).toEqual(named);
    expect(target(PHYSICAL, { fromDatabase: 'shop' })).toEqual(named);
  });

  it.each([
    [PHYSICAL, { target: database }, '/target', '`fromDatabase`'],
    [PHYSICAL, { target: folder, tables }, '/tables', '`fromDatabase`'],
    [PHYSICAL, { target: folder, merge }, '/merge', '`fromDatabase`'],
    [PHYSICAL, { fromDatabase: 'shop', target: folder }, '/target', 'one database'],
    [PHYSICAL, { fromDatabase: 'shop', merge }, '/target', 'name the existing database'],
    [PHYSICAL, { fromDatabase: 'shop', target: { ...database, replace: true }, merge }, '/target/replace', 'as it is'],
    [PHYSICAL, { fromDatabase: 'shop', target: database, intoExisting: true, merge }, '/intoExisting', 'choose one'],
    [LOGICAL, { fromDatabase: 'shop', target: database }, '/fromDatabase', 'leave it out'],
    [LOGICAL, { target: folder }, '/target', 'a logical backup'],
  ])('is refused for %j with %j', (backup, request, pointer, message) => {
    const mistake = { path: pointer.split('/').slice(1), message: expect.stringContaining(message) };
    expect(() => target(backup, request)).toThrow(expect.objectContaining({ issues: [expect.objectContaining(mistake)] }));
  });
});
