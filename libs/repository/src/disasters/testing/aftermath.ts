import { setTimeout as pause } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { BlobStore } from '@rahat/blob-store-port';
import { listedNames } from '@rahat/blob-store-port/testing';
import { RahatError, type StorageConnection } from '@rahat/contracts';
import { openRepository } from '../../open-repository.js';
import type { Repository } from '../../repository.js';
import { Crew } from './crew.js';
import { CALL_DEADLINE_MS } from './crew-orders.js';

export const HOUR_MS = 60 * 60 * 1000;
/** What ends by itself when it is repeated: on a busy machine a short lease may run out. */
export const PASSING = ['storage_unreachable', 'lease_lost'];

/** Where a repository lies, for processes and for the test itself. */
export interface Place {
  place: StorageConnection;
  store: BlobStore;
}

/** How long a process takes for one backup here and now, and a lease's life that leaves it time. */
export async function measurePace(place: StorageConnection, repository: Repository): Promise<{ paceMs: number; leaseTtlMs: number }> {
  await using crew = new Crew(place, repository, HOUR_MS);
  const begun = performance.now();
  // A seed of its own: the others' snapshots must not be taken for this one.
  const reports = await crew.hire({ role: 'writer', seed: 0, rounds: 1 }).ended();
  expect(reports).toMatchObject([{ type: 'committed' }, ...reports.slice(1)]);
  const paceMs = performance.now() - begun;
  return { paceMs, leaseTtlMs: Math.max(6_000, Math.ceil(6 * paceMs)) };
}

export function reopened(store: BlobStore, repository: Repository, leaseTtlMs?: number): Promise<Repository> {
  return openRepository(store, { type: 'secrets', ...repository.exportSecrets() }, { leaseTtlMs, callDeadlineMs: CALL_DEADLINE_MS });
}

/** Until nothing is left that nobody needs: of dead processes, of removed snapshots, of broken-off collections. */
export async function collectAll(store: BlobStore, collector: Repository, leaseTtlMs: number): Promise<void> {
  const watcher = await reopened(store, collector);
  for (;;) {
    await collector.collect({ graceMs: 2 * leaseTtlMs, undoPeriodMs: 0 }).catch((error: unknown) => {
      if (!PASSING.includes(RahatError.from(error).code)) throw error;
    });
    const leftovers = [...(await listedNames(store, 'leases/')), ...(await listedNames(store, 'collections/'))];
    if (leftovers.length === 0 && (await listedNames(store, 'trash/')).length === 0) {
      const { orphanPacks } = await watcher.check({ level: 'structure' });
      if (orphanPacks === 0) return;
    }
    await pause(leaseTtlMs / 6);
  }
}
