import { beforeAll, describe, expect, it } from '@jest/globals';
import type { BlobStore } from '@rahat/blob-store-port';
import { packName } from '../layout.js';
import { openRepository } from '../open-repository.js';
import type { CheckOptions, CheckReport } from '../repository.js';
import { flip, PLACES, putFiles } from '../testing/damage.js';
import { endOfFrames, example, footerStart, PACKS, type Example, type FileClass } from '../testing/example-of-all-files.js';

const LEVELS = ['structure', 'read-data', 'deep'] as const;
type Level = CheckOptions['level'];

let own: Example;
let foreign: Example;
beforeAll(async () => {
  own = await example();
  foreign = await example();
  for (const file of PACKS) {
    // Else the cases of the padding would hit a frame.
    expect(endOfFrames(own.tables[file])).toBeLessThan(footerStart(own.files.get(own.names[file])!));
  }
});

/** Opened before the damage, as by a server that runs for months. */
async function checkDamaged(store: BlobStore, damage: (store: BlobStore) => Promise<void>, options: CheckOptions): Promise<CheckReport> {
  await putFiles(store, own.files);
  const repository = await openRepository(store, { type: 'secrets', ...own.secrets });
  await damage(store);
  return repository.check(options);
}

interface DamageCase {
  file: FileClass;
  how: string;
  /** The lowest level that claims to find it. */
  claimedBy: Level;
  damage: (store: BlobStore, name: string) => Promise<void>;
  countsAsDamage?: boolean;
  /** Where the problem is told, if not at the file itself. */
  at?: () => string[];
}

const SEALED: FileClass[] = ['configuration', 'index segment', 'manifest', 'log', 'trash', 'lease', 'collection'];
const flippedAt = (at: (file: Buffer) => number) => async (store: BlobStore, name: string) => flip(store, name, at(await store.get(name)));
const middle = (file: Buffer): number => file.length >> 1;

const flipped: DamageCase[] = [
  ...(['descriptor', 'keyslot', ...SEALED] as FileClass[]).flatMap((file): DamageCase[] => [
    { file, how: 'flipped in its first byte', claimedBy: 'structure', damage: flippedAt(() => 0) },
    { file, how: 'flipped in its middle', claimedBy: 'structure', damage: flippedAt(middle) },
    { file, how: 'flipped in its last byte', claimedBy: 'structure', damage: flippedAt(({ length }) => length - 1) },
  ]),
  ...PACKS.flatMap((file): DamageCase[] => [
    { file, how: 'flipped in its magic', claimedBy: 'structure', damage: flippedAt(() => 3) },
    { file, how: 'flipped in its kind', claimedBy: 'structure', damage: flippedAt(() => 8) },
    { file, how: 'flipped in its repository id', claimedBy: 'structure', damage: flippedAt(() => 12) },
    { file, how: 'flipped in its wrapped key', claimedBy: 'structure', damage: flippedAt(() => 60) },
    { file, how: 'flipped in its footer', claimedBy: 'structure', damage: flippedAt((bytes) => footerStart(bytes) + 50) },
    { file, how: 'flipped in its footer’s length', claimedBy: 'structure', damage: flippedAt(({ length }) => length - 10) },
    { file, how: 'flipped in its end', claimedBy: 'structure', damage: flippedAt(({ length }) => length - 1) },
    { file, how: 'flipped in its padding', claimedBy: 'read-data', damage: flippedAt((bytes) => footerStart(bytes) - 1) },
  ]),
  { file: 'data pack', how: 'flipped in a frame', claimedBy: 'read-data', damage: flippedAt(() => 200) },
  // Recipes are followed at every level; the damage shows at the manifest that needs this one.
  {
    file: 'recipe pack',
    how: 'flipped in a frame',
    claimedBy: 'structure',
    damage: flippedAt(() => 200),
    at: () => [own.names.manifest, own.names['recipe pack']],
  },
];

const truncated = (Object.keys({ descriptor: 1, keyslot: 1 }) as FileClass[]).concat(SEALED, PACKS).flatMap((file): DamageCase[] => [
  {
    file,
    how: 'cut off in its middle',
    claimedBy: 'structure',
    damage: async (store, name) => store.put(name, (await store.get(name)).subarray(0, middle(await store.get(name)))),
  },
  { file, how: 'empty', claimedBy: 'structure', damage: (store, name) => store.put(name, Buffer.alloc(0)) },
  {
    file,
    how: 'with a byte behind its end',
    claimedBy: 'structure',
    damage: async (store, name) => store.put(name, Buffer.concat([await store.get(name), Buffer.from('\n')])),
  },
]);

/** As after a power cut, when a file system knows a file's length and not its content. */
const zeroed: DamageCase[] = [
  ...(['descriptor', 'keyslot', ...SEALED, ...PACKS] as FileClass[]).map((file): DamageCase => ({
    file,
    how: 'with zeros instead of its content',
    claimedBy: 'structure',
    damage: async (store, name) => store.put(name, Buffer.alloc((await store.get(name)).length)),
  })),
  {
    file: 'data pack',
    how: 'with zeros in a frame',
    claimedBy: 'read-data',
    damage: async (store, name) => store.put(name, (await store.get(name)).fill(0, 200, 216)),
  },
];

/** That a lease, a collection or a snapshot is gone can't be told from the storage alone. */
const missing = (['descriptor', 'configuration', 'keyslot', 'index segment', ...PACKS] as FileClass[]).map((file): DamageCase => ({
  file,
  how: 'missing',
  claimedBy: 'structure',
  damage: (store, name) => store.remove(name),
  at: () => [own.names[file], 'keys/', ...(file === 'index segment' ? [own.names.manifest] : [])],
}));

const swapped = (['data pack', 'index segment', 'manifest', 'lease', 'collection'] as FileClass[]).map((file): DamageCase => ({
  file,
  how: 'in the place of another one of its kind',
  claimedBy: 'structure',
  damage: async (store, name) => {
    const other = own.others[file]!;
    await store.put(name, own.files.get(other)!);
    await store.put(other, own.files.get(name)!);
  },
}));

const foreignOnes = ([...SEALED, 'descriptor', 'keyslot', ...PACKS] as FileClass[]).map((file): DamageCase => ({
  file,
  how: 'of another repository',
  claimedBy: 'structure',
  damage: (store, name) => store.put(name, foreign.files.get(foreign.names[file])!),
}));

const COPIES: Partial<Record<FileClass, string>> = {
  keyslot: `keys/${'0'.repeat(32)}`,
  'data pack': packName('ab'.repeat(32)),
  'recipe pack': packName('cd'.repeat(32)),
  'index segment': `index/${'0'.repeat(32)}`,
  manifest: 'snapshots/backup_9',
  trash: 'trash/backup_9',
  lease: `leases/${'0'.repeat(32)}`,
  collection: 'collections/9',
};
const duplicated = Object.entries(COPIES).map(([file, copy]): DamageCase => ({
  file: file as FileClass,
  how: 'copied to another name',
  claimedBy: 'structure',
  damage: async (store, name) => store.put(copy, await store.get(name)),
  at: () => [copy],
}));

const otherKinds = ([...SEALED, ...PACKS, 'keyslot', 'descriptor'] as FileClass[]).map((file): DamageCase => ({
  file,
  how: 'with the content of a file of another kind',
  claimedBy: 'structure',
  damage: (store, name) => store.put(name, own.files.get(own.names[file === 'manifest' ? 'lease' : 'manifest'])!),
  at: () => [own.names[file], 'keys/'],
}));

/** Authentic, and once true: what it names is gone. An old lease, collection or keyslot doesn't contradict anything that stands. */
const putBack: DamageCase[] = [
  {
    file: 'manifest',
    how: 'of a snapshot that was collected put back',
    claimedBy: 'structure',
    damage: (store) => store.put(own.past.manifest.name, own.past.manifest.bytes),
    at: () => [own.past.manifest.name],
  },
  {
    file: 'trash',
    how: 'of a snapshot that was collected put back',
    claimedBy: 'structure',
    damage: (store) => store.put('trash/backup_0', own.past.manifest.bytes),
    at: () => ['trash/backup_0'],
  },
  {
    file: 'index segment',
    how: 'that was compacted put back',
    claimedBy: 'structure',
    damage: (store) => store.put(own.past['index segment'].name, own.past['index segment'].bytes),
    at: () => [own.past.pack.name],
  },
];

/** A lease is needed by no restore. */
const broken = [...flipped, ...truncated, ...zeroed].map((damage) => ({ ...damage, countsAsDamage: damage.file !== 'lease' }));
const cases: DamageCase[] = [...broken, ...missing, ...swapped, ...foreignOnes, ...otherKinds, ...duplicated, ...putBack];

describe.each(Object.entries(PLACES))('a check in %s', (_, place) => {
  it('finds nothing in a sound repository, at any level', async () => {
    for (const level of LEVELS) {
      await using here = await place();
      const report = await checkDamaged(here.store, () => Promise.resolve(), { level });
      expect(report).toMatchObject({ healthy: true, snapshots: 2, problems: [] });
    }
  });

  it.each(cases.map((damage) => [damage.file, damage.how, damage.claimedBy, damage] as const))(
    'finds a %s %s from level %s on, and counts what a restore needs as damage, never as a mere notice',
    async (file, _how, claimedBy, { damage, at, countsAsDamage }) => {
      const names = at?.() ?? [own.names[file]];
      for (const level of LEVELS) {
        await using here = await place();
        const { problems, healthy } = await checkDamaged(here.store, (store) => damage(store, own.names[file]), { level });
        const told = problems.filter((problem) => names.includes(problem.file));
        expect({ level, found: told.length > 0 }).toEqual({ level, found: LEVELS.indexOf(level) >= LEVELS.indexOf(claimedBy) });
        if (level === 'deep' && countsAsDamage) expect(healthy).toBe(false);
      }
    },
  );

  it('misses a snapshot that is asked for by its id', async () => {
    await using here = await place();
    const options: CheckOptions = { level: 'structure', snapshots: ['backup_1'] };
    const report = await checkDamaged(here.store, (store) => store.remove(own.names.manifest), options);
    expect(report).toMatchObject({ healthy: false, problems: [{ affects: [{ snapshot: 'backup_1' }] }] });
  });
});
