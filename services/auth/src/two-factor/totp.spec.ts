import { describe, expect, it } from '@jest/globals';
import { generate } from 'otplib';
import { newTotpSecret, stepOfCode } from './totp.js';

const NOW = new Date('2026-03-01T12:00:10Z');
const STEP = Math.floor(NOW.getTime() / 30_000);

describe('a TOTP code', () => {
  it('counts one step early or late, and no further', async () => {
    const { secret } = await newTotpSecret('ada@example.org');
    const stepAt = async (seconds: number) => {
      const code = await generate({ secret, epoch: NOW.getTime() / 1000 + seconds });
      const step = await stepOfCode(secret, code, { afterStep: undefined, now: NOW });
      return step === undefined ? undefined : step - STEP;
    };
    expect(await Promise.all([-60, -30, 0, 30, 60].map(stepAt))).toEqual([undefined, -1, 0, 1, undefined]);
  });

  it('counts only after the last one that was taken, also when the clock was set back', async () => {
    const { secret } = await newTotpSecret('ada@example.org');
    const code = await generate({ secret, epoch: NOW.getTime() / 1000 });
    const taken = (afterStep: number) => stepOfCode(secret, code, { afterStep, now: NOW });
    expect(await Promise.all([taken(STEP - 1), taken(STEP), taken(STEP + 1), taken(STEP + 1000)])).toEqual([
      STEP,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('of a secret is known to an app by an otpauth address, which is drawn too', async () => {
    const { secret, otpauthUri, qrCode } = await newTotpSecret('ada@example.org');
    const uri = new URL(otpauthUri);
    expect([uri.protocol, uri.host, uri.searchParams.get('secret'), uri.searchParams.get('issuer')]).toEqual([
      'otpauth:',
      'totp',
      secret,
      'Rahat Backup',
    ]);
    // RFC 4226 §4: 160 bits.
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(Buffer.from(qrCode.replace('data:image/svg+xml;base64,', ''), 'base64').toString()).toMatch(/^<svg /);
  });
});
