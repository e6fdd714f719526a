import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecretBox, derivePassword, openKeyFile, openPoolKey, sealFor } from './index.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-secrets-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('key file', () => {
  it('is made once, for its owner alone, and agreed on by those who make it at once', async () => {
    const path = join(folder, 'data/keys/key-encryption.key');
    const keys = await Promise.all(Array.from({ length: 5 }, () => openKeyFile(path)));
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1);
    expect(keys[0]).toHaveLength(32);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, 'data/keys'))).toEqual(['key-encryption.key']);
  });

  it('is refused when others can read it, with the command that cures it', async () => {
    const path = join(folder, 'key');
    await openKeyFile(path);
    await chmod(path, 0o640);
    await expect(openKeyFile(path)).rejects.toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringContaining('0640'),
      hint: `Run: chmod 600 '${path}'`,
    });
  });

  it('is never replaced when it is damaged', async () => {
    const path = join(folder, 'key');
    await writeFile(path, 'rahat-key-1 dG9vIHNob3J0\n', { mode: 0o600 });
    await expect(openKeyFile(path)).rejects.toMatchObject({ code: 'configuration_invalid', message: `${path} is not a key file` });
  });
});

describe('secret box', () => {
  const place = { organization: 'org_1', record: 'server_1', field: 'password' };

  it('opens what it sealed at the same place, and nowhere else', () => {
    const box = createSecretBox(randomBytes(32));
    const sealed = box.seal("p'ä ssword", place);
    expect(box.open(sealed, place).toString()).toBe("p'ä ssword");
    expect(box.seal("p'ä ssword", place)).not.toBe(sealed);
    for (const other of [
      { ...place, organization: 'org_2' },
      { ...place, record: 'server_2' },
      { ...place, field: 'token' },
    ]) {
      expect(() => box.open(sealed, other)).toThrow('belongs to another record');
    }
  });

  it('notices every changed byte and a foreign key', () => {
    const box = createSecretBox(randomBytes(32));
    const sealed = box.seal('secret', place);
    const bytes = Buffer.from(sealed.slice(5), 'base64url');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(() => box.open(`rsb1.${changed.toString('base64url')}`, place)).toThrow('does not open');
    }
    expect(() => createSecretBox(randomBytes(32)).open(sealed, place)).toThrow('sealed with another key file');
    expect(() => box.open('password', place)).toThrow('not a sealed value');
  });

  it('derives the same password for the same label only', () => {
    const kek = randomBytes(32);
    expect(derivePassword(kek, 'auth')).toBe(derivePassword(kek, 'auth'));
    expect(derivePassword(kek, 'auth')).not.toBe(derivePassword(kek, 'audit'));
    expect(derivePassword(kek, 'auth')).not.toBe(derivePassword(randomBytes(32), 'auth'));
  });
});

describe('pool key', () => {
  it('opens what was sealed for its pool and this binding, also after a restart', async () => {
    const path = join(folder, 'pool.key');
    const { publicKey } = await openPoolKey(path);
    const sealed = await sealFor(publicKey, 'the secrets', 'run_1/1');
    const pool = await openPoolKey(path);
    expect((await pool.open(sealed, 'run_1/1')).toString()).toBe('the secrets');
    await expect(pool.open(sealed, 'run_1/2')).rejects.toMatchObject({ code: 'message_invalid' });
    const stranger = await openPoolKey(join(folder, 'other.key'));
    await expect(stranger.open(sealed, 'run_1/1')).rejects.toMatchObject({ code: 'message_invalid' });
    await expect(pool.open('AAAA', 'run_1/1')).rejects.toMatchObject({ code: 'message_invalid' });
  });
});
