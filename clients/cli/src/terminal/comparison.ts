import type { RestoreEvidence } from '@rahat/contracts';
import { bytes } from './format.js';

/** What a restore compared, in words. A physical restore compares files with the server's own checksums, not tables. */
export function comparison({ tables, rows, bytes: restored }: Pick<RestoreEvidence, 'tables' | 'rows' | 'bytes'>): string {
  if (tables.length === 0) return `${bytes(restored)} written, every file compared with its checksum`;
  const differing = tables.filter(({ matches }) => !matches).length;
  return `${tables.length} tables and ${rows} rows, every count and hash compared, ${differing} mismatches`;
}
