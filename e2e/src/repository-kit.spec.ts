import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openBlobStore } from '@rahat/blob-store-registry';
import type { RunSecrets } from '@rahat/contracts';
import { executeRun } from '@rahat/execution';
import { createRepository, grantCredential } from '@rahat/repository';
import { startPostgresql } from '@rahat/test-servers';
import { rahatBackup } from './cli.js';

interface Drill {
  repository: string;
  place: string;
  restoredOn: string;
  tables: { table: string; actualRows: number; matches: boolean }[];
}

const TEXT = 'BT /F1 12 Tf 10 50 Td (Dear customer) Tj ET';
/** A PDF of something else. */
const LETTER = `%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R /Resources <</Font <</F1 5 0 R>>>>>> endobj
4 0 obj <</Length ${TEXT.length}>> stream
${TEXT}
endstream endobj
5 0 obj <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>> endobj
trailer <</Root 1 0 R>>
`;

/** A repository with one backup; afterwards its server and everything but the folder is gone. */
async function backUpShop(home: string): Promise<{ folder: string; id: string }> {
  await using server = await startPostgresql({ major: 15 });
  await server.query('CREATE DATABASE shop');
  await server.query(`CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS note FROM generate_series(1, 5000) i`, [], 'shop');
  const storage = { driver: 'local' as const, path: home };
  const repository = await createRepository(await openBlobStore(storage, 'rahat'), { passphrase: 'nobody remembers it' });
  const credential = grantCredential('write-only', repository.id, repository.exportSecrets());
  const { host, port, user, password } = server;
  const secrets: RunSecrets = {
    source: { host, port, user, password, maintenanceDatabase: 'postgres', tls: 'disable' },
    repositories: [{ repositoryId: repository.id, storage, prefix: 'rahat', credential }],
  };
  await executeRun(
    {
      version: 1,
      type: 'backup',
      run: 'run_1',
      attempt: 1,
      organization: 'org_1',
      engine: 'postgresql',
      server: { id: 'server_1', name: 'shop server' },
      deadline: new Date(Date.now() + 3_600_000).toISOString(),
      noProgressSeconds: 900,
      sealedSecrets: '',
      repository: repository.id,
      method: 'postgresql.logical',
      backupType: 'full',
      database: { name: 'shop' },
      snapshot: randomBytes(16).toString('hex'),
      deep: false,
    },
    secrets,
    {
      signal: new AbortController().signal,
      onProgress: () => undefined,
      onLog: () => undefined,
      toolFolders: [],
      scratchFolder: home,
      workerName: 'worker-1',
    },
  );
  return { folder: path.join(home, 'rahat'), id: repository.id };
}

/** What is left on the day on which everything else is gone. The tests follow upon each other. */
describe('a recovery kit, by the command line', () => {
  let home: string;
  let empty: string;
  let folder: string;
  let id: string;
  let kit: string;
  let pdf: string;

  const make = (to: string, ...args: string[]) =>
    rahatBackup<{ slot: string; files: string[] }>(['repository', 'kit', '--path', folder, '--to', to, ...args], {
      HOME: home,
      RAHAT_PASSPHRASE: 'nobody remembers it',
    });
  /** With nothing but the kits: no passphrase, no path, an empty home. */
  const drill = (...args: string[]) => rahatBackup<Drill>(['repository', 'drill', ...args], { HOME: empty });

  beforeAll(async () => {
    home = await mkdtemp(path.join(os.tmpdir(), 'rahat-kit-'));
    empty = await mkdtemp(path.join(os.tmpdir(), 'rahat-empty-'));
    ({ folder, id } = await backUpShop(home));
  }, 120_000);
  afterAll(async () => {
    for (const one of [home, empty]) await rm(one, { recursive: true, force: true });
  });

  it('is written as text and as PDF for its owner alone, and overwrites nothing', async () => {
    kit = path.join(home, 'kit.txt');
    const made = await make(kit, '--name', 'Shop');
    expect(made.data.files).toEqual([kit]);
    expect((await stat(kit)).mode & 0o777).toBe(0o600);
    expect(await readFile(kit, 'utf8')).toContain(folder);
    pdf = path.join(home, 'kit.pdf');
    expect((await make(pdf)).data.files).toEqual([pdf]);
    expect((await readFile(pdf)).subarray(0, 5).toString()).toBe('%PDF-');

    const keys = await readdir(path.join(folder, 'keys'));
    const before = await readFile(kit);
    expect(await make(kit)).toMatchObject({ exitCode: 2, error: { code: 'invalid_input' } });
    expect(await make(path.join(home, 'kit.docx'))).toMatchObject({ exitCode: 2, error: { code: 'invalid_input' } });
    expect(await readFile(kit)).toEqual(before);
    expect(await readdir(path.join(folder, 'keys'))).toEqual(keys);
  });

  it('restores and proves the latest backup with the kit alone', async () => {
    const { data, error, exitCode } = await drill('--key-file', kit);
    expect(error).toBeUndefined();
    expect(exitCode).toBe(0);
    expect(data).toMatchObject({ repository: id, place: folder, restoredOn: expect.stringContaining('PostgreSQL') });
    expect(data.tables).toMatchObject([{ table: 'orders', actualRows: 5000, matches: true }]);
  }, 120_000);

  it('does so with the PDF that is printed, and lists and shows by it too', async () => {
    const { data, error, exitCode } = await drill('--kit', pdf);
    expect({ error, exitCode }).toEqual({ error: undefined, exitCode: 0 });
    expect(data).toMatchObject({ repository: id, place: folder, tables: [{ table: 'orders', actualRows: 5000, matches: true }] });
    const snapshots = await rahatBackup<{ serverName: string }[]>(['repository', 'snapshots', '--kit', pdf], { HOME: empty });
    expect(snapshots.data).toMatchObject([{ serverName: 'shop server' }]);
  }, 120_000);

  it('tells of a PDF that is damaged, of something else, or of a key with a wrong check word', async () => {
    const bytes = await readFile(pdf);
    const files = { 'cut.pdf': bytes.subarray(0, bytes.length >> 1), 'letter.pdf': LETTER };
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(home, name);
      await writeFile(file, content);
      const told = await drill('--kit', file);
      expect(told).toMatchObject({ exitCode: 2, error: { code: 'invalid_input', message: expect.stringContaining(name) } });
      expect(told.error).toMatchObject({ hint: expect.any(String) });
    }
    const wrong = path.join(home, 'wrong.txt');
    await writeFile(wrong, (await readFile(kit, 'utf8')).replace(/( 3\. {2}\S+ {2}\()[a-z]{5}/, '$1babab'));
    expect(await drill('--kit', wrong)).toMatchObject({
      exitCode: 2,
      error: { code: 'recovery_key_mistyped', message: expect.stringContaining('group 3') },
    });
  }, 60_000);

  it('restores with as many shares as are needed, and not with fewer', async () => {
    const { data } = await make(path.join(home, 'board.txt'), '--shares', '2/3');
    expect(data.files.map((file) => path.basename(file))).toEqual(['board-1-of-3.txt', 'board-2-of-3.txt', 'board-3-of-3.txt']);
    const [first, , third] = data.files;
    expect((await drill('--key-file', third!, '--key-file', first!)).data.tables).toMatchObject([{ actualRows: 5000, matches: true }]);
    expect(await drill('--key-file', first!)).toMatchObject({ exitCode: 3, error: { code: 'repository_wrong_key' } });
  }, 120_000);

  it('fails where the storage is damaged, and where a key does not say which storage it is', async () => {
    const copy = path.join(home, 'copy');
    await cp(folder, copy, { recursive: true });
    for (const pack of await readdir(path.join(copy, 'packs'), { recursive: true, withFileTypes: true })) {
      if (pack.isFile()) await rm(path.join(pack.parentPath, pack.name));
    }
    expect(await drill('--key-file', kit, '--path', copy)).toMatchObject({ exitCode: 1 });
    const bare = path.join(home, 'bare');
    await writeFile(bare, (await readFile(kit, 'utf8')).replace(/^[^]*(?=------ BEGIN)/, ''));
    expect(await drill('--key-file', bare)).toMatchObject({
      exitCode: 2,
      error: { code: 'invalid_input', hint: expect.stringContaining('--path') },
    });
  }, 120_000);
});
