import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseKeyslot, sealKeyslot, type Keyslot } from './keyslot-file.js';
import { codeLine, printCode, readCode } from './printed-code.js';
import { openKeyslot } from './ways-in.js';

const DOCUMENT = join(import.meta.dirname, '../../../../docs/REPOSITORY_FORMAT.md');
const sequence = (first: number, length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => first + i));
const SECRETS = { masterKey: sequence(0x00, 32), identitySecret: sequence(0x20, 32) };
const RECOVERY_KEY = sequence(0x40, 32);
const PRINTED = '810M-4GYX 8H2M-CHZR 914M-MJR3 9H6M-WKR2 A18N-4MV2 AHAN-CNWJ B1CN-MPR6 BHEN-WQT5 6RP6-GGZY';
const WORDS = 'jubos holaf gizak dozug zisis kirof zujof sunad vofib';
const SHARES = [
  'P6RV-2H9Y FSRH-DJNY RTDE-PGJV JDS3-FN1X VF86-G94G WQVH-RTJH P025-M77N 3TAR-AKB4 GD63-DG1H K5H3-EHT4',
  'P6RV-3BRW BXCP-H2N9 0PKS-VJ6C N3CZ-K2CP HA75-VXVS GW17-BGJR 4VR5-1ZTM FCZV-GM4J QVC6-N7DD MG1K-R2NN',
];

/** Slots stand in the document as they stand in the storage: paper in people's safes must open them for ever. */
async function documentedSlot(type: Keyslot['type']): Promise<Keyslot> {
  const document = await readFile(DOCUMENT, 'utf8');
  const text = document.match(new RegExp(`^\`(\\{"format":1,"id":"b.*"type":"${type}".*\\})\`$`, 'm'))![1]!;
  return parseKeyslot(`keys/${(JSON.parse(text) as Keyslot).id}`, Buffer.from(text));
}

describe('keyslots of format 1', () => {
  it('print a recovery key so', async () => {
    const groups = printCode('recovery-key', RECOVERY_KEY);
    expect(codeLine(groups)).toBe(PRINTED);
    expect(groups.map(({ checkWord }) => checkWord).join(' ')).toBe(WORDS);
    expect(readCode('recovery-key', PRINTED)).toEqual(RECOVERY_KEY);
    const document = await readFile(DOCUMENT, 'utf8');
    for (const vector of [PRINTED, WORDS, ...SHARES]) expect(document).toContain(vector);
  });

  it('open by the documented recovery key and by the documented shares', async () => {
    const recovery = await documentedSlot('recovery');
    expect(await openKeyslot(recovery, { type: 'recovery', recoveryKey: PRINTED })).toEqual({ opened: SECRETS });
    expect(await openKeyslot(await documentedSlot('shares'), { type: 'shares', shares: SHARES })).toEqual({ opened: SECRETS });
    const slotKey = Buffer.from('1d71814df507263f4200b0d8d3ec5d4fdf64cb6e620f1a68cf93107853663c9a', 'hex');
    const { wrapped: _wrapped, checksum: _checksum, ...head } = recovery;
    const again = parseKeyslot(`keys/${recovery.id}`, sealKeyslot(head, slotKey, SECRETS));
    expect(await openKeyslot(again, { type: 'recovery', recoveryKey: PRINTED })).toEqual({ opened: SECRETS });
  });
});
