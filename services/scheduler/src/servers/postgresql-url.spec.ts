import { describe, expect, it } from '@jest/globals';
import { parsePostgresqlUrl } from './postgresql-url.js';

describe('a PostgreSQL URL', () => {
  it('is read with its percent-encoding', () => {
    expect(parsePostgresqlUrl('postgresql://back%40up:p%2Fa%3As%25s%20w%C3%B6rd@db.example:6432/shop%20eu?sslmode=verify-full')).toEqual({
      ok: true,
      password: 'p/a:s%s wörd',
      address: { host: 'db.example', port: 6432, user: 'back@up', maintenanceDatabase: 'shop eu', tls: 'verify-full' },
    });
  });
  it('has defaults', () => {
    expect(parsePostgresqlUrl('postgres://me@[::1]')).toEqual({
      ok: true,
      password: undefined,
      address: { host: '::1', port: 5432, user: 'me', maintenanceDatabase: 'postgres', tls: 'prefer' },
    });
  });
  it.each([
    'nonsense',
    'mysql://a:secret@b/c',
    'postgresql://',
    'postgresql://host/db',
    'postgresql://u:secret%@h/db',
    'postgresql://u:secret@h/db?sslmode=allow',
    'postgresql://u:secret@h/db?options=-c',
    'postgresql://u:secret@h:99999/db',
  ])('%s is refused without repeating its password', (url) => {
    const parsed = parsePostgresqlUrl(url);
    expect(parsed.ok).toBe(false);
    expect(JSON.stringify(parsed)).not.toContain('secret');
  });
});
