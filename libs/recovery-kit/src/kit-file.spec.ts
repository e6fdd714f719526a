import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import PdfDocument from 'pdfkit';
import { RahatError } from '@rahat/contracts';
import { readCode, type PrintedGroup } from '@rahat/repository';
import { readKitFile, readKitRepository, readPrintedKeys, renderKit, type KitSheet } from './index.js';

const ID = 'a0'.repeat(16);
const PLACE = '/mnt/yedekler/müşteri ığüşöçİĞ/rahat';
const KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => i + 64));
/** docs/REPOSITORY_FORMAT.md §12. */
const GROUPS = printed(
  '810M-4GYX 8H2M-CHZR 914M-MJR3 9H6M-WKR2 A18N-4MV2 AHAN-CNWJ B1CN-MPR6 BHEN-WQT5 6RP6-GGZY',
  'jubos holaf gizak dozug zisis kirof zujof sunad vofib',
);
const SHARES = [
  'P6RV-2H9Y FSRH-DJNY RTDE-PGJV JDS3-FN1X VF86-G94G WQVH-RTJH P025-M77N 3TAR-AKB4 GD63-DG1H K5H3-EHT4',
  'P6RV-3BRW BXCP-H2N9 0PKS-VJ6C N3CZ-K2CP HA75-VXVS GW17-BGJR 4VR5-1ZTM FCZV-GM4J QVC6-N7DD MG1K-R2NN',
].map((characters) => printed(characters, 'babab '.repeat(10).trim()));

function printed(characters: string, checkWords: string): PrintedGroup[] {
  const words = checkWords.split(' ');
  return characters.split(' ').map((group, i) => ({ characters: group, checkWord: words[i]! }));
}

function sheet(place = PLACE, groups: PrintedGroup[] = GROUPS): KitSheet {
  const madeAt = new Date('2026-11-24T22:30:00Z');
  return { repository: { id: ID, place, name: 'Shop' }, madeAt, slot: 'b0'.repeat(16), key: { type: 'recovery', groups } };
}

function shareSheet(number: 1 | 2): KitSheet {
  return { ...sheet(), key: { type: 'share', number, count: 3, threshold: 2, groups: SHARES[number - 1]! } };
}

/** As another program that prints the PDF into a new one leaves it: the pages, and nothing that was attached. */
function pagesAlone(pdf: Buffer): Buffer {
  const bytes = pdf.toString('latin1').replaceAll('/EmbeddedFiles', '/EmbeddedNoMore');
  expect(bytes).not.toEqual(pdf.toString('latin1'));
  return Buffer.from(bytes, 'latin1');
}

async function pdfWith(draw: (pdf: PDFKit.PDFDocument) => void): Promise<Buffer> {
  const pdf = new PdfDocument();
  const bytes = buffer(pdf);
  draw(pdf);
  pdf.end();
  return bytes;
}

async function recoveryKeyIn(file: Buffer): Promise<Buffer> {
  const keys = readPrintedKeys([await readKitFile(file)]);
  if (keys.type !== 'recovery') throw new Error('not a recovery key');
  return readCode('recovery-key', keys.recoveryKey);
}

describe('a kit as somebody saved it', () => {
  it.each(['txt', 'pdf'] as const)('gives its key and its place letter by letter, as %s', async (format) => {
    for (const place of [PLACE, `/mnt/a folder/with  two spaces/${'a-very-long-folder/'.repeat(12)}and more of it/rahat`]) {
      const file = await renderKit(sheet(place), format);
      expect(await recoveryKeyIn(file)).toEqual(KEY);
      expect(readKitRepository([await readKitFile(file)])).toEqual({ id: ID, place });
    }
  });

  it('gives them by what its pages show where the PDF was printed into a new one', async () => {
    const file = pagesAlone(await renderKit(sheet(), 'pdf'));
    expect(await recoveryKeyIn(file)).toEqual(KEY);
    expect(readKitRepository([await readKitFile(file)])).toEqual({ id: ID, place: PLACE });
  });

  it('tells no place that was broken into lines, because a space may be lost between them', async () => {
    const file = pagesAlone(await renderKit(sheet(`/mnt/${'a folder of many/'.repeat(12)}rahat`), 'pdf'));
    expect(await recoveryKeyIn(file)).toEqual(KEY);
    expect(readKitRepository([await readKitFile(file)])).toEqual({ id: ID });
  });

  it('is a share where it is one', async () => {
    const files = await Promise.all(([1, 2] as const).map((number) => renderKit(shareSheet(number), 'pdf')));
    for (const some of [files, files.map(pagesAlone)]) {
      const keys = readPrintedKeys(await Promise.all(some.map(readKitFile)));
      if (keys.type !== 'shares') throw new Error('no shares');
      keys.shares.forEach((share, i) => SHARES[i]!.forEach(({ characters }) => expect(share).toContain(characters)));
    }
  });

  it('with a check word that does not fit is refused by the number of its group', async () => {
    const wrong = GROUPS.map((group, i) => (i === 4 ? { ...group, checkWord: 'babab' } : group));
    const pdf = await renderKit(sheet(PLACE, wrong), 'pdf');
    for (const file of [pdf, pagesAlone(pdf), await renderKit(sheet(PLACE, wrong), 'txt')]) {
      await expect(recoveryKeyIn(file)).rejects.toMatchObject({
        code: 'recovery_key_mistyped',
        message: expect.stringContaining('group 5'),
      });
    }
  });
});

describe('a PDF that is no whole kit', () => {
  it('of something else is refused, and so is a scan', async () => {
    const letter = await pdfWith((pdf) => pdf.text('Dear customer, 1. we write to you (again)'));
    await expect(readKitFile(letter)).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(/not a recovery kit/),
    });
    const book = await pdfWith((pdf) => {
      for (let page = 0; page < 30; page++) pdf.addPage().text('1. ABCD-EFGH (jubos)');
    });
    await expect(readKitFile(book)).rejects.toMatchObject({ message: expect.stringMatching(/not a recovery kit/) });
    const scan = await pdfWith((pdf) => pdf.rect(50, 50, 200, 100).fill('#000000'));
    await expect(readKitFile(scan)).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(/scan/),
      hint: expect.stringContaining('--with recovery-key'),
    });
  });

  it('is refused behind a password', async () => {
    const pdf = new PdfDocument({ userPassword: 'secret', pdfVersion: '1.7' });
    const bytes = buffer(pdf);
    pdf.text('1. ABCD-EFGH (jubos)').end();
    await expect(readKitFile(await bytes)).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringMatching(/password/) });
  });

  it('damaged or cut off anywhere gives its key or an error, and never another key', async () => {
    const whole = await renderKit(sheet(), 'pdf');
    const damaged = [0.01, 0.2, 0.5, 0.8, 0.95, 0.999].map((share) => whole.subarray(0, Math.floor(whole.length * share)));
    for (let i = 1; i <= 16; i++) {
      const copy = Buffer.from(whole);
      copy.fill(0x41 + i, Math.floor((whole.length * i) / 17), Math.floor((whole.length * i) / 17) + 40);
      damaged.push(copy);
    }
    damaged.push(Buffer.from('%PDF-1.7\nnothing of the kind'));
    let refused = 0;
    for (const file of damaged) {
      try {
        expect(await recoveryKeyIn(file)).toEqual(KEY);
      } catch (error) {
        if (!(error instanceof RahatError)) throw error;
        expect(['invalid_input', 'recovery_key_mistyped']).toContain(error.code);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(3);
  }, 30_000);
});
