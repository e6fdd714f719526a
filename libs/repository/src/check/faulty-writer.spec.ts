import { beforeAll, describe, expect, it } from '@jest/globals';
import type { BlobStore } from '@rahat/blob-store-port';
import type { IndexedPack } from '../index/index-segment.js';
import { readIndexSegments, sealIndexSegment } from '../index/segment-files.js';
import { packHash, packName } from '../layout.js';
import { openRepository } from '../open-repository.js';
import { packCapacity, PackWriter } from '../packs/pack-writer.js';
import { chunkIdAt } from '../packs/pack-table.js';
import type { CheckOptions, CheckReport, Repository } from '../repository.js';
import { contextOf, putFiles } from '../testing/damage.js';
import { example, type Example } from '../testing/example-of-all-files.js';
import { MemoryStore } from '../testing/memory-store.js';

const LEVELS = ['structure', 'read-data', 'deep'] as const;

let own: Example;
beforeAll(async () => {
  own = await example();
});

async function checkAfter(damage: (store: BlobStore) => Promise<void>, level: CheckOptions['level']): Promise<CheckReport> {
  const store = new MemoryStore();
  await putFiles(store, own.files);
  await damage(store);
  return (await openRepository(store, { type: 'secrets', ...own.secrets })).check({ level });
}

describe('a check of what only a faulty writer makes', () => {
  it('finds a pack whose name and footer are right and whose chunk is not, at level deep', async () => {
    for (const level of LEVELS) {
      const report = await checkAfter(exchangeDataPack, level);
      expect({ level, healthy: report.healthy }).toEqual({ level, healthy: level !== 'deep' });
      if (level !== 'deep') continue;
      expect(report.problems).toMatchObject([
        { message: expect.stringContaining('other bytes than its id'), affects: [{ snapshot: 'backup_1', objects: ['pages'] }] },
      ]);
    }
  });

  it('finds a segment that says other things than the pack, at every level', async () => {
    for (const level of LEVELS) {
      const report = await checkAfter(lieInTheIndex, level);
      expect(report.problems.filter(({ severity }) => severity === 'damage')).toMatchObject([
        { file: own.names['index segment'], message: expect.stringContaining('other things of a pack') },
      ]);
    }
  });
});

/** Frames hold zeros under the ids of the chunks that should be there. */
async function exchangeDataPack(store: BlobStore): Promise<void> {
  const repository = await openRepository(store, { type: 'secrets', ...own.secrets });
  const context = contextOf(repository, store);
  const table = own.tables['data pack'];
  const buffer = Buffer.alloc(packCapacity(32 * 1024 * 1024));
  const pack = await PackWriter.open('data', context, { packSizeBytes: 32 * 1024 * 1024, buffer });
  table.plainLengths.forEach((length, frame) => {
    const chunks = [...table.chunkFrames.keys()].filter((chunk) => table.chunkFrames[chunk] === frame);
    const content = {
      plaintext: Buffer.alloc(length),
      chunkIds: chunks.map((chunk) => chunkIdAt(table, chunk)),
      chunkLengths: chunks.map((chunk) => table.chunkLengths[chunk]!),
    };
    pack.addFrame(content, content.plaintext);
  });
  const closed = await pack.close();
  const old = packHash(own.names['data pack']);
  await rewriteIndex(store, (packs) =>
    packs.map((known) =>
      known.hash === old ? { ...known, hash: closed.hash, sizeBytes: closed.file.length, table: closed.table } : known,
    ),
  );
  await store.put(packName(closed.hash), closed.file);
  await store.remove(own.names['data pack']);
}

async function lieInTheIndex(store: BlobStore): Promise<void> {
  await rewriteIndex(store, (packs) =>
    packs.map((pack) => {
      if (pack.kind === 'metadata') return pack;
      const chunkIds = Buffer.from(pack.table.chunkIds);
      // Two chunks of the same length change places.
      chunkIds.set(chunkIdAt(pack.table, 1), 0);
      chunkIds.set(chunkIdAt(pack.table, 0), 32);
      return { ...pack, table: { ...pack.table, chunkIds } };
    }),
  );
}

async function rewriteIndex(store: BlobStore, change: (packs: IndexedPack[]) => IndexedPack[]): Promise<void> {
  const repository = await openRepository(store, { type: 'secrets', ...own.secrets });
  const context = contextOf(repository, store);
  const segment = await firstSegment(store, repository);
  const name = own.names['index segment'];
  await store.put(name, sealIndexSegment(context, name, { ...segment, packs: change(segment.packs) }));
}

async function firstSegment(store: BlobStore, repository: Repository) {
  for await (const segment of readIndexSegments(contextOf(repository, store))) {
    if (segment.packs.some(({ hash }) => packName(hash) === own.names['data pack'])) return segment;
  }
  throw new Error('the example has an index');
}
