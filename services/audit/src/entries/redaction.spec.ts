import { describe, expect, it } from '@jest/globals';
import { withoutSecrets } from './redaction.js';

describe('redaction', () => {
  it.each(['rhs', 'rhr', 'rhc', 'rhd', 'rhi', 'rhp'])('knows the tokens that begin with %s', (prefix) => {
    expect(withoutSecrets(`took ${prefix}_${'aB3-_'.repeat(9)}.`)).toBe('took [redacted].');
  });

  it('keeps secrets out of what is kept for ever', () => {
    const key = `rhb_${'0'.repeat(32)}_${'a'.repeat(64)}_01234567`;
    expect(
      withoutSecrets({
        password: 'p',
        nested: [{ masterKey: 'm', url: 'postgresql://bob:hunter2@h/db', note: `uses ${key}` }],
        passwordChanged: true,
        tokens: 3,
      }),
    ).toEqual({
      password: '[redacted]',
      nested: [{ masterKey: '[redacted]', url: 'postgresql://bob:[redacted]@h/db', note: 'uses [redacted]' }],
      passwordChanged: true,
      tokens: 3,
    });
  });
});
