import { describe, expect, it } from '@jest/globals';
import { keyBlock, readPrintedKeys } from './printed-keys.js';

/** The documented vectors (docs/REPOSITORY_FORMAT.md §12). */
const KEY = '810M-4GYX 8H2M-CHZR 914M-MJR3 9H6M-WKR2 A18N-4MV2 AHAN-CNWJ B1CN-MPR6 BHEN-WQT5 6RP6-GGZY';
const WORDS = 'jubos holaf gizak dozug zisis kirof zujof sunad vofib'.split(' ');
const SHARES = [
  'P6RV-2H9Y FSRH-DJNY RTDE-PGJV JDS3-FN1X VF86-G94G WQVH-RTJH P025-M77N 3TAR-AKB4 GD63-DG1H K5H3-EHT4',
  'P6RV-3BRW BXCP-H2N9 0PKS-VJ6C N3CZ-K2CP HA75-VXVS GW17-BGJR 4VR5-1ZTM FCZV-GM4J QVC6-N7DD MG1K-R2NN',
];
const block = keyBlock(
  'recovery-key',
  KEY.split(' ').map((characters, i) => ({ characters, checkWord: WORDS[i]! })),
);

describe('printed keys', () => {
  it('are found in a whole kit, whatever stands around them, and with the line ends of another system', () => {
    const kit = `Recovery kit of 2026\n 1. Open this page\n\n${block}\n\nMore text, 4 of it.\n`;
    for (const text of [kit, kit.replaceAll('\n', '\r\n')]) {
      const keys = readPrintedKeys([text]);
      expect(keys).toMatchObject({ type: 'recovery', recoveryKey: expect.stringContaining('810M-4GYX  (jubos)') });
    }
    // Twice the same, as of a kit that was concatenated with its copy.
    expect(readPrintedKeys([kit, kit]).type).toBe('recovery');
  });

  it('are taken as somebody typed them', () => {
    expect(readPrintedKeys([KEY.toLowerCase()])).toEqual({ type: 'recovery', recoveryKey: KEY.toLowerCase() });
    expect(readPrintedKeys(SHARES)).toEqual({ type: 'shares', shares: SHARES });
  });

  it('name the mistake in what was meant, and never quote it', () => {
    expect(readPrintedKeys([KEY.replace('914M', '915M')]).type).toBe('recovery');
    expect(readPrintedKeys([SHARES[0]!.replace('VF86', 'VF87')]).type).toBe('shares');
    for (const [texts, message] of [
      [[KEY, SHARES[0]!], /together/],
      [[KEY, KEY.replace('810M', '811M')], /2 different/],
      [[''], /No recovery key/],
    ] as const) {
      expect(() => readPrintedKeys(texts)).toThrow(message);
      expect(() => readPrintedKeys(texts)).not.toThrow(/810M|P6RV/);
    }
  });
});
