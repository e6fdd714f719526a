import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { databaseAddress } from './database-address.js';

const before = process.env['RAHAT_DB_PASSWORD'];
beforeAll(() => {
  process.env['RAHAT_DB_PASSWORD'] = 'from the environment';
});
afterAll(() => {
  if (before === undefined) delete process.env['RAHAT_DB_PASSWORD'];
  else process.env['RAHAT_DB_PASSWORD'] = before;
});

const read = (url: string) => databaseAddress(url, 'Password');

describe('the address of a database on a command line', () => {
  it('is read with its user, port, database and mode of TLS', async () => {
    expect(await read('postgresql://b%C3%BCro@db.example:5433/shop%20two?sslmode=require')).toEqual({
      connection: {
        host: 'db.example',
        port: 5433,
        user: 'büro',
        maintenanceDatabase: 'shop two',
        tls: 'require',
        password: 'from the environment',
      },
      database: 'shop two',
    });
    const { connection } = await read('postgres:///postgres?host=/run/postgresql');
    expect(connection).toMatchObject({ host: '/run/postgresql', port: 5432, user: 'postgres', tls: 'prefer' });
  });

  it.each([
    ['allow', 'prefer'],
    ['verify-ca', 'verify-full'],
    ['verify-full', 'verify-full'],
    ['disable', 'disable'],
  ])('takes sslmode=%s as %s', async (mode, tls) => {
    expect((await read(`postgresql://u@h/d?sslmode=${mode}`)).connection.tls).toBe(tls);
  });

  it.each(['verify_full', 'constructor', ''])('refuses sslmode=%s, which would be no protection at all', async (mode) => {
    await expect(read(`postgresql://u@h/d?sslmode=${mode}`)).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it.each(['mysql://u@h/d', 'not an address', 'postgresql://u:secret@h/d'])('refuses %s', async (url) => {
    const refused = await read(url).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'invalid_input' });
    expect(String(refused)).not.toContain('secret');
  });
});
