import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RahatError } from '@rahat/contracts';
import { LocalStore } from '@rahat/blob-store-local';
import { createRepository, openRepository, type Repository } from '@rahat/repository';
import { makeRecoveryKit, readKitRepository, readPrintedKeys, renderKit, sheetFileName, type KitOrder, type KitSheet } from './index.js';
import { pdfPages } from './testing/pdf-text.js';

const PLACE = '/mnt/yedekler/müşteri ığüşöçİĞ/rahat';
const MADE_AT = new Date('2026-11-24T22:30:00Z');

let store: LocalStore;
let repository: Repository;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-kit-'));
  store = new LocalStore({ driver: 'local', path: folder });
  repository = await createRepository(store, { passphrase: 'correct horse battery', kdf: { memoryKib: 8, passes: 1, parallelism: 1 } });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function sheetsOf(order: Partial<KitOrder> = {}): Promise<{ slot: string; sheets: KitSheet[] }> {
  const kept: KitSheet[] = [];
  const { slot } = await makeRecoveryKit(
    repository.keys,
    { place: PLACE, madeAt: MADE_AT, ...order },
    async (sheets) => void kept.push(...sheets),
  );
  return { slot, sheets: kept };
}

const text = async (sheet: KitSheet): Promise<string> => (await renderKit(sheet, 'txt')).toString();
const pageTexts = async (sheet: KitSheet): Promise<string[]> => pdfPages(await renderKit(sheet, 'pdf')).map((lines) => lines.join('\n'));

describe('a recovery kit', () => {
  it('opens the repository by its text alone', async () => {
    const { slot, sheets } = await sheetsOf();
    expect(sheets).toHaveLength(1);
    const opened = await openRepository(store, readPrintedKeys([await text(sheets[0]!)]));
    expect(opened.id).toBe(repository.id);
    expect(await repository.keys.list()).toContainEqual(
      expect.objectContaining({ id: slot, type: 'recovery', label: 'recovery kit of 2026-11-24', heldByPerson: true }),
    );
  });

  it('says on one page, in any letters, all that a restore needs, and what it needs besides', async () => {
    const { slot, sheets } = await sheetsOf({ name: 'Müşteri yedekleri, İstanbul ₺' });
    const pages = await pageTexts(sheets[0]!);
    expect(pages).toHaveLength(1);
    const groups = sheets[0]!.key.groups;
    for (const rendered of [pages[0]!, await text(sheets[0]!)]) {
      for (const { characters, checkWord } of groups) {
        expect(rendered).toContain(characters);
        expect(rendered).toContain(`(${checkWord})`);
      }
      for (const part of [PLACE, repository.id, slot, 'Müşteri yedekleri, İstanbul ₺', '2026-11-24']) expect(rendered).toContain(part);
      for (const command of [
        `rahat-backup repository restore --path '${PLACE}' --with`,
        `node rahat-reader.mjs restore '${PLACE}' latest`,
        `rahat-backup repository keys remove ${slot.slice(0, 8)}`,
      ])
        expect(rendered).toContain(command);
      expect(rendered).toMatch(/not in this kit/i);
    }
    // As typed from the PDF.
    const typed = groups.map(({ characters }) => pages[0]!.split('\n').find((line) => line === characters)).join('\n');
    expect((await openRepository(store, readPrintedKeys([typed]))).id).toBe(repository.id);
  });

  it('is a sheet for each holder where it is split, and any so many of them open the repository', async () => {
    const { sheets } = await sheetsOf({ shares: { threshold: 2, count: 3, holders: ['Ayşe Yıldız', 'Deniz', 'İlker Ağaoğlu'] } });
    expect(sheets.map((sheet) => sheetFileName(sheet, 'kit', 'pdf'))).toEqual(['kit-1-of-3.pdf', 'kit-2-of-3.pdf', 'kit-3-of-3.pdf']);
    const texts = await Promise.all(sheets.map(text));
    expect((await openRepository(store, readPrintedKeys([texts[2]!, texts[0]!]))).id).toBe(repository.id);
    await expect(openRepository(store, readPrintedKeys([texts[1]!]))).rejects.toMatchObject({ code: 'repository_wrong_key' });
    for (const [i, sheet] of sheets.entries()) {
      const pages = await pageTexts(sheet);
      expect(pages).toHaveLength(1);
      for (const rendered of [texts[i]!, pages[0]!]) {
        expect(rendered.toLowerCase()).toContain(`share ${i + 1} of 3`);
        expect(rendered).toContain(['Ayşe Yıldız', 'Deniz', 'İlker Ağaoğlu'][i]);
        expect(rendered).toMatch(/Bring 2 shares\s+together/);
        // Nothing of the others.
        for (const other of sheets) if (other !== sheet) expect(rendered).not.toContain(other.key.groups[4]!.characters);
      }
    }
  });

  it('of a bucket tells its address once, and how its content gets to the reader', async () => {
    const place = 's3://backups/rahat/nas?endpoint=https://minio.example:9000&region=eu-central-1';
    const { sheets } = await sheetsOf({ place });
    for (const rendered of [await text(sheets[0]!), (await pageTexts(sheets[0]!))[0]!]) {
      expect(rendered).toContain(`place='${place}'`);
      expect(rendered).toContain('rahat-backup repository snapshots --path "$place" --with recovery-key');
      expect(rendered).toContain('aws s3 sync s3://backups/rahat/nas ./rahat --endpoint-url https://minio.example:9000');
      expect(rendered).toContain('access key of the bucket');
    }
  });

  it('goes on on a second page rather than over the edge, and each page says whose it is', async () => {
    const { slot, sheets } = await sheetsOf({ place: `/mnt/${'a-very-long-folder/'.repeat(60)}rahat` });
    const pages = await pageTexts(sheets[0]!);
    expect(pages.length).toBeGreaterThan(1);
    for (const [i, page] of pages.entries()) {
      expect(page).toContain(`key ${slot.slice(0, 8)}`);
      expect(page).toContain(`page ${i + 1} of ${pages.length}`);
    }
  });

  it('as text tells where its repository lies, and kits of different ones are no way to find it', async () => {
    const texts = await Promise.all((await sheetsOf({ shares: { threshold: 2, count: 2 } })).sheets.map(text));
    expect(readKitRepository(texts)).toEqual({ id: repository.id, place: PLACE });
    expect(readKitRepository(texts.map((one) => one.replaceAll('\n', '\r\n')))).toEqual({ id: repository.id, place: PLACE });
    expect(readKitRepository(['810M-4GYX 8H2M-CHZR'])).toBeUndefined();
    const [elsewhere] = (await sheetsOf({ place: '/mnt/other' })).sheets;
    expect(readKitRepository([texts[0]!, await text(elsewhere!)])).toEqual({ id: repository.id });
    const ofAnother = texts[0]!.replaceAll(repository.id, 'f'.repeat(32));
    expect(() => readKitRepository([texts[1]!, ofAnother])).toThrow(/different repositories/);
  });

  it('with letters that its fonts lack is refused as a PDF, and whole as a text', async () => {
    const { sheets } = await sheetsOf({ place: '/mnt/備份' });
    expect(await text(sheets[0]!)).toContain('/mnt/備份');
    await expect(renderKit(sheets[0]!, 'pdf')).rejects.toMatchObject({ code: 'invalid_input', hint: expect.stringContaining('.txt') });
  });

  it('that could not be kept leaves no way in, and one that could say something else is refused', async () => {
    const before = await repository.keys.list();
    const order = { place: PLACE, madeAt: MADE_AT };
    const failing = makeRecoveryKit(repository.keys, order, () => Promise.reject(new RahatError('storage_full', 'no room')));
    await expect(failing).rejects.toMatchObject({ code: 'storage_full' });
    for (const odd of [
      { place: '/mnt/a\nb' },
      { name: 'x\u202ey' },
      { shares: { threshold: 2, count: 2, holders: ['a', 'b\r\n'] } },
      { shares: { threshold: 2, count: 3, holders: ['a'] } },
    ])
      await expect(sheetsOf(odd)).rejects.toMatchObject({ code: 'invalid_input' });
    expect(await repository.keys.list()).toEqual(before);
  });
});
