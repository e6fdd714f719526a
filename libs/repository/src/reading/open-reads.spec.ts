import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { openRepository } from '../open-repository.js';
import { collect, describing, newRepository, PASSPHRASE, pieces, snapshotFacts } from '../testing/builders.js';
import { MemoryStore } from '../testing/memory-store.js';

const PAGES = 150;
const PAGE_BYTES = 32 * 1024;

/** An object each of whose pages was new in another backup, so that each lies in a pack of its own. */
async function scattered(store: MemoryStore): Promise<Buffer> {
  const repository = await newRepository(store);
  await using session = await repository.beginWriting({ writer: 'worker-1' });
  const pages = Array.from({ length: PAGES }, (_, i) => Buffer.alloc(PAGE_BYTES, `page ${i} `));
  for (const [i, page] of pages.entries()) {
    const object = await session.writeObject(describing('file', { class: 'pages' }), pieces(page));
    await session.commit(`backup_${i}`, snapshotFacts(), [object]);
  }
  const whole = Buffer.concat(pages);
  const object = await session.writeObject(describing('file', { class: 'pages' }), pieces(whole));
  await session.commit('whole', snapshotFacts(), [object]);
  return whole;
}

describe('a reader', () => {
  it('has no more requests under way than the storage has connections, however scattered its stream is', async () => {
    const store = new MemoryStore();
    const content = await scattered(store);
    const repository = await openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE });
    const { objects } = await repository.findSnapshot('whole');
    await using session = await repository.beginReading();
    let open = 0;
    let most = 0;
    store.onCall = async () => {
      most = Math.max(most, ++open);
      await sleep(1);
      open--;
    };
    expect((await collect(session.readObject(objects[0]!))).equals(content)).toBe(true);
    expect(most).toBeGreaterThan(10);
    expect(most).toBeLessThanOrEqual(64);
  });

  it('that lost its lease is told so when a pack is gone, and nobody is told of damage', async () => {
    const store = new MemoryStore();
    await scattered(store);
    const repository = await openRepository(store, { type: 'passphrase', passphrase: PASSPHRASE });
    const { objects } = await repository.findSnapshot('whole');
    await using session = await repository.beginReading();
    for (const pack of store.names('packs/')) await store.remove(pack);
    await expect(collect(session.readObject(objects[0]!))).rejects.toMatchObject({ code: 'repository_damaged' });
    for (const lease of store.names('leases/')) await store.remove(lease);
    await expect(collect(session.readObject(objects[0]!))).rejects.toMatchObject({ code: 'lease_lost', retryable: true });
  });
});
