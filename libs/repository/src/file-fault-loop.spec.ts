import { cp, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Repository } from './repository.js';
import { FailingFiles } from './testing/failing-files.js';

const files = new FailingFiles();
const { LocalStore } = await import('@rahat/blob-store-local');
const { openRepository } = await import('./open-repository.js');
const { backUp, digests, newRepository, noise, restore } = await import('./testing/builders.js');
const { CONTENT, writeContent } = await import('./testing/siblings.js');

const NEW = { rows: noise(90_000, 2), more: noise(30_000, 3) };
const MONTH_MS = 30 * 24 * 60 * 60 * 1000;
const PATIENCE_MS = 600_000;

let home: string;
let secrets: { masterKey: Buffer; identitySecret: Buffer };
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'rahat-file-faults-'));
  const repository = await newRepository(new LocalStore({ driver: 'local', path: join(home, 'base') }));
  secrets = repository.exportSecrets();
  await writeContent(repository, 'backup_1');
  await backUp(repository, 'backup_2', { more: noise(40_000, 5) });
});
afterAll(() => rm(home, { recursive: true, force: true }));

const open = (path: string, cache?: string): Promise<Repository> =>
  openRepository(new LocalStore({ driver: 'local', path }), { type: 'secrets', ...secrets }, cache ? { cache: { folder: cache } } : {});

/** As if nothing had been put for a month. */
async function age(path: string): Promise<void> {
  const then = new Date(Date.now() - MONTH_MS);
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), then, then);
}

interface Scenario {
  before?: (repository: Repository) => Promise<unknown>;
  run: (repository: Repository) => Promise<unknown>;
  after: (repository: Repository) => Promise<unknown>;
}

const SCENARIOS: Record<string, Scenario> = {
  'a backup': {
    run: (repository) => backUp(repository, 'backup_3', NEW),
    after: async (repository) => expect(digests(await restore(repository, 'backup_3'))).toEqual(digests(NEW)),
  },
  'a restore': {
    run: async (repository) => expect(digests(await restore(repository, 'backup_1'))).toEqual(digests(CONTENT)),
    after: () => Promise.resolve(),
  },
  'a removal': {
    run: (repository) => repository.moveToTrash('backup_2'),
    after: async (repository) => {
      await repository.restoreFromTrash('backup_2');
      expect(await repository.findSnapshot('backup_2')).toMatchObject({ snapshot: 'backup_2' });
    },
  },
  'a collection': {
    before: async (repository) => {
      await repository.moveToTrash('backup_2');
    },
    run: (repository) => repository.collect(),
    after: async (repository) => expect(await repository.collect()).toMatchObject({ missingChunks: 0, waiting: { packs: 1 } }),
  },
};

describe('where each call to the file system once fails', () => {
  it.each(Object.entries(SCENARIOS))(
    '%s in a local folder is repeated with success, and the repository is whole',
    async (_, { before, run, after }) => {
      const base = join(home, `before-${_.replaceAll(' ', '-')}`);
      await cp(join(home, 'base'), base, { recursive: true });
      await before?.(await open(base));
      await age(base);
      let faults = 0;
      for (let n = 1; ; n++) {
        const path = join(home, 'here');
        await cp(base, path, { recursive: true, preserveTimestamps: true });
        const repository = await open(path);
        files.arm(n);
        const outcome = await run(repository).then(
          () => undefined,
          (error: unknown) => error,
        );
        const struck = files.disarm();
        if (outcome !== undefined) expect({ n, outcome }).toMatchObject({ n, outcome: { code: expect.stringMatching(/^storage_/) } });
        // A fresh process, as after a crash.
        const next = await open(path);
        await run(next);
        await after(next);
        expect(await next.check({ level: 'deep' })).toMatchObject({ healthy: true });
        await rm(path, { recursive: true });
        if (!struck) break;
        faults++;
      }
      expect(faults).toBeGreaterThan(5);
    },
    PATIENCE_MS,
  );
});
