import { isUtf8 } from 'node:buffer';
import pg from 'pg';
import type { Job } from '@rahat/connector-kit';
import type { Finding } from '@rahat/contracts';
import { quoteIdentifier } from '../errors.js';
import type { TocEntry } from './archive-toc.js';
import type { StoredDump } from './stored-dump.js';

/** The archive's REFRESH of a materialized view; its rows are never in a dump. */
const REFRESH = 'MATERIALIZED VIEW DATA';

/** Takes the refreshes out: pg_restore would end the whole restore at the first view that can't be filled on this server. */
export function withoutRefreshes(entries: readonly TocEntry[]): { loaded: TocEntry[]; refreshes: TocEntry[] } {
  return {
    loaded: entries.filter((entry) => entry.description !== REFRESH),
    refreshes: entries.filter((entry) => entry.description === REFRESH),
  };
}

/**
 * Fills the materialized views, in the archive's order. One that can't be filled stays empty and is a finding: nothing in it is
 * lost, it comes from tables that are proven. `throwaway`: views that read other servers are left alone.
 */
export async function refreshViews(
  client: pg.Client,
  dump: StoredDump,
  refreshes: readonly TocEntry[],
  throwaway: boolean,
  job: Job,
): Promise<Finding[]> {
  if (refreshes.length === 0) return [];
  const findings: Finding[] = [];
  const foreign = throwaway ? readersOfForeignTables(dump) : new Set<number>();
  await client.query("SELECT pg_catalog.set_config('search_path', '', false)");
  for (const entry of refreshes) {
    job.signal.throwIfAborted();
    const object = `${entry.namespace}.${entry.tag}`;
    job.progress({ phase: 'refresh', object, bytes: 0 });
    if (foreign.has(entry.dumpId)) {
      findings.push({
        code: 'materialized_view_not_refreshed',
        severity: 'info',
        object,
        message: 'The materialized view reads foreign tables; a test restore does not reach out to other servers, so it was left empty.',
      });
      continue;
    }
    try {
      await client.query(entry.definition.toString(isUtf8(entry.definition) ? 'utf8' : 'latin1'));
    } catch (error) {
      // Anything but ERROR is about our own session; a foreign server that is gone is an ERROR of the refresh.
      if (!(error instanceof pg.DatabaseError) || error.severity !== 'ERROR') throw error;
      findings.push({
        code: 'materialized_view_not_refreshed',
        severity: 'warning',
        object,
        message: `The materialized view could not be filled and is empty: ${error instanceof Error ? error.message : String(error)}`,
        fix: `REFRESH MATERIALIZED VIEW ${quoteIdentifier(entry.namespace)}.${quoteIdentifier(entry.tag)};`,
      });
    }
  }
  return findings;
}

/** Numbers of all entries that need a foreign table, however far away. */
function readersOfForeignTables({ toc }: StoredDump): Set<number> {
  const reached = new Set(toc.entries.filter((entry) => entry.description === 'FOREIGN TABLE').map((entry) => entry.dumpId));
  for (let before = 0; before !== reached.size;) {
    before = reached.size;
    for (const entry of toc.entries) if (entry.dependencies.some((id) => reached.has(id))) reached.add(entry.dumpId);
  }
  return reached;
}
