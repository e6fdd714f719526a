import { describe, expect, it } from '@jest/globals';
import type { RunSecrets } from '@rahat/contracts';
import { maskSecrets } from './mask-secrets.js';

const secrets: RunSecrets = {
  source: { host: 'h', port: 5432, user: 'rhb', maintenanceDatabase: 'postgres', tls: 'prefer', password: 'p\'ss w"rd/1' },
  target: { host: 'h', port: 5432, user: 'rhb', maintenanceDatabase: 'postgres', tls: 'prefer', password: 'abc' },
  repositories: [
    {
      repositoryId: 'r',
      storage: { driver: 'local', path: '/s' },
      prefix: 'p',
      masterKey: Buffer.alloc(32, 7).toString('base64'),
      identitySecret: Buffer.alloc(32, 9).toString('base64'),
    },
  ],
};

describe('masking of secrets', () => {
  it('takes out each spelling that a tool may print', () => {
    const { masterKey } = secrets.repositories[0]!;
    const text = `raw p'ss w"rd/1, sql 'p''ss w"rd/1', url p'ss%20w%22rd%2F1, json "p'ss w\\"rd/1", key ${masterKey} and ${Buffer.alloc(32, 7).toString('hex')}`;
    expect(maskSecrets(text, secrets)).toBe(`raw •••, sql '•••', url •••, json "•••", key ••• and •••`);
  });

  it('takes out the secret key of a storage', () => {
    const credentials = { source: 'access-key', accessKeyId: 'AKIA', secretAccessKey: 'wJalr/K7MDENG' } as const;
    const settings = { bucket: 'b-1', region: 'r', addressing: 'auto', lockMode: 'GOVERNANCE', listLagSeconds: 0 } as const;
    const storage = { driver: 's3', ...settings, credentials } as const;
    const ofS3 = { repositories: [{ ...secrets.repositories[0]!, storage }] };
    expect(maskSecrets('key AKIA, secret wJalr/K7MDENG, url wJalr%2FK7MDENG', ofS3)).toBe('key AKIA, secret •••, url •••');
  });

  it('leaves words alone that merely contain a very short password', () => {
    expect(maskSecrets('abc is no secret', secrets)).toBe('abc is no secret');
  });
});
