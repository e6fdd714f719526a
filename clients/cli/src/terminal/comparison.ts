import type { RestoreEvidence, TableEvidence } from '@rahat/contracts';
import { bytes } from './format.js';

/** What a restore compared, in words. A physical restore compares files with the server's own checksums, not tables. */
export function comparison({ tables, bytes: restored }: Pick<RestoreEvidence, 'tables' | 'bytes'>): string {
  if (tables.length === 0) return `${bytes(restored)} written, every file compared with its checksum`;
  const differing = tables.filter(({ matches }) => !matches).length;
  const objects = tables.filter(isLargeObjects);
  const own = tables.filter((table) => !isLargeObjects(table));
  const parts = [`${own.length} tables`, ...(objects.length > 0 ? [`${rowsOf(objects)} large objects`] : []), `${rowsOf(own)} rows`];
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}, every count and hash compared, ${differing} mismatches`;
}

/** Evidence counts large objects as rows of the catalog's table of them. */
function isLargeObjects({ schema, table }: TableEvidence): boolean {
  return schema === 'pg_catalog' && table === 'pg_largeobject';
}

function rowsOf(tables: TableEvidence[]): number {
  return tables.reduce((sum, { actualRows }) => sum + actualRows, 0);
}
