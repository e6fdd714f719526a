import type { ServiceDatabase } from '@rahat/persistence';
import { loadedGauge, remembered, type Registry } from '@rahat/service-kit';
import { spaceOf } from '../storages/local-folder.js';
import type { StorageRow } from '../storages/storages.service.js';

interface Space {
  labels: { organization: string; storage_id: string; storage: string };
  usedBytes: number;
  capacityBytes: number;
}

const HOLD_MS = 30_000;

/** How full the places are that can tell: folders, not buckets. */
export class StorageMetrics {
  constructor(database: ServiceDatabase, registry: Registry) {
    const spaces = remembered(() => measure(database), HOLD_MS);
    const gauge = (name: string, help: string, valueOf: (space: Space) => number) =>
      loadedGauge(registry, {
        name,
        help,
        labelNames: ['organization', 'storage_id', 'storage'],
        samples: async () => (await spaces()).map((space) => ({ labels: space.labels, value: valueOf(space) })),
      });
    gauge('rahat_storage_used_bytes', 'What is taken of the file system of a storage', (space) => space.usedBytes);
    gauge('rahat_storage_capacity_bytes', 'Size of the file system of a storage', (space) => space.capacityBytes);
  }
}

async function measure(database: ServiceDatabase): Promise<Space[]> {
  const rows = await database.asSystem('tell metrics of storages', (transaction) =>
    transaction.query<StorageRow>(`SELECT * FROM storages WHERE settings ->> 'driver' = 'local' ORDER BY id`),
  );
  const spaces = await Promise.all(
    rows.map(async ({ organization_id: organization, id, name, settings }): Promise<Space[]> => {
      const space = settings.driver === 'local' ? await spaceOf(settings.path) : undefined;
      if (!space) return [];
      const labels = { organization, storage_id: id, storage: name };
      return [{ labels, usedBytes: space.totalBytes - space.freeBytes, capacityBytes: space.totalBytes }];
    }),
  );
  return spaces.flat();
}
