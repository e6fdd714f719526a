import { describe, expect, it } from '@jest/globals';
import { sameHash } from '@rahat/secrets';
import { newApiKey, parseApiKey } from './api-key-format.js';
import { scopesOfKey } from '../authentication/key-scopes.js';

describe('API key', () => {
  it('is read back with the hash of its secret', () => {
    const key = newApiKey();
    const parsed = parseApiKey(key.text)!;
    expect(parsed.id).toBe(key.id);
    expect(sameHash(parsed.secretHash, key.secretHash)).toBe(true);
  });

  it('is refused with any sign mistyped, cut or added', () => {
    const { text } = newApiKey();
    for (let at = 0; at < text.length; at++)
      expect(parseApiKey(text.slice(0, at) + (text[at] === '0' ? '1' : '0') + text.slice(at + 1))).toBeUndefined();
    for (const wrong of [text.slice(0, -1), `${text}0`, ` ${text}`, `${text}\n`, '']) expect(parseApiKey(wrong)).toBeUndefined();
  });

  it('reaches no further than the present role of its maker', () => {
    expect(scopesOfKey(['plan:write', 'plan:read'], 'owner')).toEqual(['plan:write', 'plan:read']);
    expect(scopesOfKey(['plan:write', 'plan:read'], 'viewer')).toEqual(['plan:read']);
    expect(scopesOfKey(['*'], 'viewer')).not.toContain('*');
    expect(scopesOfKey(['*'], 'admin')).toEqual(expect.arrayContaining(['user:write', 'plan:write']));
    expect(scopesOfKey(['*'], 'admin')).not.toContain('*');
    expect(scopesOfKey(['organization:create', 'plan:read'], 'admin')).toEqual(['plan:read']);
  });
});
