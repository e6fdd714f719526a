import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { openKeyslot } from './keyslot.js';

const R = Buffer.from('a0a1a2a3a4a5a6a7a8a9aaabacadaeaf', 'hex');
const ID = 'b0'.repeat(16);
const M = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
/** Recovery key 40 41 … 5f, salt 10 11 … 1f, over M = 00 … 1f and I = 20 … 3f. */
const RECOVERY_SLOT = `{"format":1,"id":"${ID}","repository":"${R.toString('hex')}","label":"safe","type":"recovery","kdf":{"name":"hkdf-sha256","salt":"EBESExQVFhcYGRobHB0eHw=="},"wrapped":"rS2Ze4Mxtbrc4h85HXw8Lcabb3qduYDOl+s7lKa4W82IJYWTEDARfI8TMTs1mtXSUZMROglj18D9JBa7jjW1V4htELMBM/znXn96e+XZ8tZv2WVjW8TgJVBmbws=","checksum":"6567e0c95ab32bce1af973ca692eabe359c861e9a326edbb2b9befc426874722"}`;
const PRINTED = '810M-4GYX 8H2M-CHZR 914M-MJR3 9H6M-WKR2 A18N-4MV2 AHAN-CNWJ B1CN-MPR6 BHEN-WQT5 6RP6-GGZY';

const open = (secret: string, slot = RECOVERY_SLOT) => openKeyslot(ID, Buffer.from(slot), R, [secret]);

/** A slot whose checksum fits, as a forger would make it. */
function forged(head: Record<string, unknown>): string {
  const text = JSON.stringify(head);
  const wrapped = Buffer.alloc(92).toString('base64');
  const checksum = createHash('sha256').update(text).update(wrapped).digest('hex');
  return `${text.slice(0, -1)},"wrapped":"${wrapped}","checksum":"${checksum}"}`;
}

describe('a keyslot', () => {
  it('opens by its recovery key as it was printed', () => {
    expect(open(PRINTED)).toMatchObject({ outcome: 'opened', secrets: { masterKey: M } });
  });

  it.each([
    ['in small letters, without dashes', PRINTED.toLowerCase().replaceAll('-', '')],
    ['with letters that look like digits', PRINTED.replaceAll('0', 'O').replaceAll('1', 'l')],
    [
      'as a list with check words',
      PRINTED.split(' ')
        .map((group, index) => ` ${index + 1}. ${group} (jubos)`)
        .join('\r\n'),
    ],
    ['with other dashes and Turkish letters', PRINTED.replaceAll('-', '–').replaceAll('1', 'ı')],
  ])('takes a recovery key that was typed %s', (_how, typed) => {
    expect(open(typed)).toMatchObject({ outcome: 'opened', secrets: { masterKey: M } });
  });

  it('names the group of a typing error and repeats nothing of what was typed', () => {
    const typed = PRINTED.replace('A18N', 'A19N');
    const attempt = open(typed);
    expect(attempt).toEqual({ outcome: 'wrongSecret', reason: 'as a recovery key: group 5 has a typing error' });
    expect(open(PRINTED.slice(0, -10))).toMatchObject({ outcome: 'wrongSecret', reason: expect.stringContaining('9 groups') });
    expect(open(PRINTED.replace('810M', '810!'))).toMatchObject({ reason: expect.stringContaining('group 1 has') });
  });

  it('does not take groups in another order', () => {
    const groups = PRINTED.split(' ');
    expect(open([groups[1], groups[0], ...groups.slice(2)].join(' '))).toMatchObject({
      outcome: 'wrongSecret',
      reason: expect.stringContaining('group 1'),
    });
  });

  it('is passed over when it is of another repository or of a type that this reader does not know', () => {
    expect(openKeyslot(ID, Buffer.from(RECOVERY_SLOT), Buffer.alloc(16), [PRINTED])).toMatchObject({ outcome: 'notOurs' });
    const head = { format: 1, id: ID, repository: R.toString('hex'), label: '', type: 'sealed', kdf: { name: 'key-provider' } };
    expect(open('x', forged(head))).toMatchObject({ outcome: 'notOurs', reason: expect.stringContaining('sealed') });
  });

  it('is damaged, and costs neither memory nor time, when its parameters are out of bounds', () => {
    const kdf = { name: 'argon2id', memoryKib: 64, passes: 1, parallelism: 1, salt: Buffer.alloc(16).toString('base64') };
    const head = { format: 1, id: ID, repository: R.toString('hex'), label: '', type: 'passphrase' };
    expect(open('x', forged({ ...head, kdf }))).toMatchObject({ outcome: 'wrongSecret' });
    for (const change of [
      { memoryKib: 2 ** 21 },
      { memoryKib: 7 },
      { passes: 17 },
      { passes: 0.5 },
      { parallelism: 17 },
      { salt: 'AA==' },
      { name: 'md5' },
    ])
      expect(open('x', forged({ ...head, kdf: { ...kdf, ...change } }))).toMatchObject({ outcome: 'damaged' });
  });

  it('is damaged wherever one character of it was changed', () => {
    for (let at = 0; at < RECOVERY_SLOT.length; at++) {
      const changed = `${RECOVERY_SLOT.slice(0, at)}${RECOVERY_SLOT[at] === 'a' ? 'b' : 'a'}${RECOVERY_SLOT.slice(at + 1)}`;
      expect([at, open(PRINTED, changed).outcome]).not.toEqual([at, 'opened']);
    }
  });
});
