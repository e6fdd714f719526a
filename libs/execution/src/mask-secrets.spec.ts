import { describe, expect, it } from '@jest/globals';
import type { RunSecrets } from '@rahat/contracts';
import { maskSecrets } from './mask-secrets.js';

const base64 = (byte: number) => Buffer.alloc(32, byte).toString('base64');
const secrets: RunSecrets = {
  source: { host: 'h', port: 5432, user: 'rhb', maintenanceDatabase: 'postgres', tls: 'prefer', password: 'p\'ss w"rd/1' },
  target: { host: 'h', port: 5432, user: 'rhb', maintenanceDatabase: 'postgres', tls: 'prefer', password: 'abc' },
  repositories: [
    {
      repositoryId: 'r',
      storage: { driver: 'local', path: '/s' },
      prefix: 'p',
      credential: { power: 'read', masterKey: base64(7), identitySecret: base64(9) },
    },
  ],
};

describe('masking of secrets', () => {
  it('takes out each spelling that a tool may print', () => {
    const text = `raw p'ss w"rd/1, sql 'p''ss w"rd/1', url p'ss%20w%22rd%2F1, json "p'ss w\\"rd/1", key ${base64(7)} and ${Buffer.alloc(32, 7).toString('hex')}`;
    expect(maskSecrets(text, secrets)).toBe(`raw •••, sql '•••', url •••, json "•••", key ••• and •••`);
  });

  it('takes out what a run holds that only writes, and leaves the public key', () => {
    const format = { format: 'rahat-write-only-credential', version: 1, repository: 'ab'.repeat(16) } as const;
    const writeOnly = { ...format, identitySecret: base64(1), metadataKey: base64(2), packPublicKey: base64(3) };
    const ofBackup: RunSecrets = { repositories: [{ ...secrets.repositories[0]!, credential: { power: 'write-only', writeOnly } }] };
    expect(maskSecrets(`${base64(1)}, ${base64(2)}, ${base64(3)}`, ofBackup)).toBe(`•••, •••, ${base64(3)}`);
  });

  it('takes out the secret key of a storage', () => {
    const credentials = { source: 'access-key', accessKeyId: 'AKIA', secretAccessKey: 'wJalr/K7MDENG' } as const;
    const settings = { bucket: 'b-1', region: 'r', addressing: 'auto', lockMode: 'GOVERNANCE', listLagSeconds: 0 } as const;
    const storage = { driver: 's3', ...settings, credentials } as const;
    const ofS3 = { repositories: [{ ...secrets.repositories[0]!, storage }] };
    expect(maskSecrets('key AKIA, secret wJalr/K7MDENG, url wJalr%2FK7MDENG', ofS3)).toBe('key AKIA, secret •••, url •••');
  });

  it('takes out the secret of the key that tokens are signed with', () => {
    const source = { ...secrets.source!, password: '', awsSecretAccessKey: 'wJalr/K7MDENG' };
    expect(maskSecrets('key wJalr/K7MDENG, url wJalr%2FK7MDENG', { source, repositories: [] })).toBe('key •••, url •••');
  });

  it('leaves words alone that merely contain a very short password', () => {
    expect(maskSecrets('abc is no secret', secrets)).toBe('abc is no secret');
  });
});
