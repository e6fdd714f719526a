import { readdir, readFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rahatBackup } from './cli.js';

interface Group {
  characters: string;
  checkWord: string;
}
interface Listed {
  id: string;
  state: string;
  type: string;
  label: string;
  needs: string;
}

const line = (groups: Group[]) => groups.map(({ characters, checkWord }) => `${characters} (${checkWord})`).join(' ');

/** Who can open a repository, by the command line and the storage alone. The tests follow upon each other. */
describe('rahat-backup repository keys', () => {
  let home: string;
  let repository: string;
  let recoveryFile: string;
  let shareFiles: string[];

  const run = <T>(args: string[], environment: NodeJS.ProcessEnv = { RAHAT_PASSPHRASE: 'first passphrase' }) =>
    rahatBackup<T>(['repository', ...args, '--path', repository], { HOME: home, ...environment });
  const list = async () => (await run<Listed[]>(['keys', 'list'])).data;
  const slotOf = async (type: string) => (await list()).find((slot) => slot.type === type)!;
  const keyFiles = (files: string[]) => files.flatMap((file) => ['--key-file', file]);

  beforeAll(async () => {
    home = await mkdtemp(path.join(os.tmpdir(), 'rahat-keys-'));
    repository = path.join(home, 'repository');
    expect((await run(['init'])).error).toBeUndefined();
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  it('adds a recovery key, which opens with the file that it was kept in', async () => {
    const added = await run<{ id: string; key: Group[] }>(['keys', 'add', 'recovery', '--label', 'kasa']);
    expect(added.data.key).toHaveLength(9);
    recoveryFile = path.join(home, 'recovery');
    await writeFile(recoveryFile, line(added.data.key).toLowerCase());
    expect((await list()).map(({ type, label, needs }) => [type, label, needs])).toEqual(
      expect.arrayContaining([
        ['passphrase', 'passphrase', 'the passphrase'],
        ['recovery', 'kasa', 'the recovery key'],
      ]),
    );
    const stats = await run<{ snapshots: number }>(['stats', '--key-file', recoveryFile], {});
    expect(stats.data).toMatchObject({ snapshots: 0 });
    const typed = await run(['stats', '--with', 'recovery-key'], { RAHAT_RECOVERY_KEY: line(added.data.key) });
    expect(typed.error).toBeUndefined();
  });

  it('adds shares of which some are enough, and says when they are too few', async () => {
    const added = await run<{ shares: Group[][] }>(['keys', 'add', 'shares', '--shares', '2/3', '--label', 'board']);
    expect(added.data.shares).toHaveLength(3);
    shareFiles = added.data.shares.map((_, i) => path.join(home, `share-${i}`));
    for (const [i, share] of added.data.shares.entries()) await writeFile(shareFiles[i]!, line(share));
    expect((await run(['stats', ...keyFiles([shareFiles[2]!, shareFiles[0]!])], {})).error).toBeUndefined();
    const tooFew = await run(['stats', ...keyFiles([shareFiles[1]!])], {});
    expect(tooFew).toMatchObject({ exitCode: 3, error: { code: 'repository_wrong_key' } });
    expect(tooFew.error!.message).toContain('2 different shares of it are needed, 1 were given');
  });

  it('says which keys something opens', async () => {
    const opened = await run<{ keys: { label: string; opens: boolean }[] }>(['keys', 'verify', '--key-file', recoveryFile], {});
    expect(opened.data.keys).toMatchObject([{ label: 'kasa', opens: true }]);
    const other = await run<{ keys: { opens: boolean; reason: string }[] }>(['keys', 'verify', (await slotOf('shares')).id.slice(0, 12)]);
    expect(other).toMatchObject({ exitCode: 3, data: { keys: [{ opens: false, reason: expect.stringContaining('of type shares') }] } });
  });

  it('changes the passphrase without rewriting anything but keys', async () => {
    const files = async () => (await readdir(repository, { recursive: true })).filter((name) => !name.startsWith('keys'));
    const before = await files();
    const { id } = await slotOf('passphrase');
    const replaced = await run<{ id: string }>(['keys', 'replace', id, 'passphrase'], {
      RAHAT_PASSPHRASE: 'first passphrase',
      RAHAT_NEW_PASSPHRASE: 'second passphrase',
    });
    expect(replaced.error).toBeUndefined();
    expect(await files()).toEqual(before);
    expect((await run(['stats'])).error).toMatchObject({ code: 'repository_wrong_passphrase' });
    expect((await run(['stats'], { RAHAT_PASSPHRASE: 'second passphrase' })).error).toBeUndefined();
  });

  it('removes keys, but never the last that a person holds', async () => {
    const withRecovery = <T>(...args: string[]) => run<T>([...args, '--key-file', recoveryFile], {});
    const slots = (await withRecovery<Listed[]>('keys', 'list')).data;
    for (const { id, type } of slots) {
      if (type !== 'recovery') expect((await withRecovery('keys', 'remove', id)).error).toBeUndefined();
    }
    const last = slots.find(({ type }) => type === 'recovery')!;
    const refused = await withRecovery('keys', 'remove', last.id);
    expect(refused).toMatchObject({ exitCode: 5, error: { code: 'conflict', hint: expect.stringContaining('first') } });
    expect(refused.error!.message).toContain('last way into the repository that a person holds');
    expect((await run(['stats', ...keyFiles(shareFiles)], {})).error).toMatchObject({ code: 'repository_wrong_key' });
    expect((await withRecovery('stats')).error).toBeUndefined();
  });

  it('says what is wrong with what was typed, and quotes none of it', async () => {
    const mistyped = path.join(home, 'mistyped');
    const text = await readFile(recoveryFile, 'utf8');
    await writeFile(
      mistyped,
      text.replace(/^../, (start) => (start.startsWith('0') ? '11' : '00')),
    );
    const wrong = await run(['stats', '--key-file', mistyped], {});
    expect(wrong).toMatchObject({ exitCode: 2, error: { code: 'recovery_key_mistyped', message: expect.stringContaining('group 1') } });
    expect(JSON.stringify(wrong)).not.toContain(text.slice(12, 20));
    for (const args of [
      ['keys', 'add', 'fingerprint'],
      ['keys', 'add', 'shares'],
      ['keys', 'add', 'recovery', '--shares', '2/3'],
      ['stats', '--with', 'luck'],
    ])
      expect(await run(args)).toMatchObject({ exitCode: 2, error: { code: 'invalid_input' } });
  });
});
