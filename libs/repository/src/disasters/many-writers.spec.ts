import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStore } from '@rahat/blob-store-local';
import { listedNames } from '@rahat/blob-store-port/testing';
import type { Repository } from '../repository.js';
import type { Manifest } from '../snapshots/manifest.js';
import { digests, newRepository, readAll, snapshotFacts } from '../testing/builders.js';
import { HOUR_MS, reopened } from './testing/aftermath.js';
import { contentOf, writeContent } from './testing/content.js';
import { Crew } from './testing/crew.js';

const VOICES = 8;
const PROCESSES = 8;
const WRITERS = PROCESSES * VOICES;
/** So many editions of what the writers have in common. */
const EDITIONS = 12;
const PATIENCE_MS = 600_000;

let path: string;
beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), 'rahat-many-'));
});
afterAll(() => rm(path, { recursive: true, force: true }));

describe(`${WRITERS} writers at once, in ${PROCESSES} processes`, () => {
  it(
    'all commit, share what was stored before, and everything can be restored',
    async () => {
      const place = { driver: 'local' as const, path };
      const store = new LocalStore(place);
      const repository = await newRepository(store);
      for (let edition = 0; edition < EDITIONS; edition++) {
        const { common, pages } = contentOf(edition);
        await using session = await repository.beginWriting({ writer: 'before' });
        await session.commit(`backup_before-${edition}`, snapshotFacts(), await writeContent(session, { common: common!, pages: pages! }));
      }

      await using crew = new Crew(place, repository, HOUR_MS);
      const members = Array.from({ length: PROCESSES }, (_, n) => crew.hire({ role: 'choir', seed: n + 1, rounds: VOICES }));
      await Promise.all(members.map((member) => member.saidMoreThan(VOICES - 1)));
      expect(crew.reports).toEqual(Array.from({ length: WRITERS }, () => ({ type: 'written' })));
      expect(await listedNames(store, 'leases/')).toHaveLength(WRITERS);
      members.forEach((member) => member.commit());
      await Promise.all(members.map((member) => member.ended()));
      expect(crew.reports.slice(WRITERS).map(({ type }) => type)).toEqual(Array.from({ length: WRITERS }, () => 'committed'));

      const next = await reopened(store, repository);
      expect(await next.check({ level: 'deep' })).toMatchObject({ snapshots: EDITIONS + WRITERS, orphanPacks: 0, problems: [] });
      await using session = await next.beginReading();
      for (const [snapshot, seed] of crew.expected) {
        const manifest = await next.findSnapshot(snapshot);
        const content = contentOf(seed);
        expect([snapshot, digests(await readAll(session, manifest))]).toEqual([snapshot, digests(content)]);
        // Its own part with what surrounds it in a pack, and nothing of what all have.
        expect(manifest.addedBytes).toBeLessThan(content['own']!.length + content['common']!.length / 2);
      }
      const again = await backUp(next, contentOf([...crew.expected.values()].at(-1)!));
      expect(again.addedBytes).toBe(0);
    },
    PATIENCE_MS,
  );
});

async function backUp(repository: Repository, content: Record<string, Buffer>): Promise<Manifest> {
  await using session = await repository.beginWriting({ writer: 'after' });
  return await session.commit('backup_after', snapshotFacts(), await writeContent(session, content));
}
