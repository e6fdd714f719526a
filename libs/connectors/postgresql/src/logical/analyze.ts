import type pg from 'pg';
import type { Finding } from '@rahat/contracts';

const MOST_NAMES = 20;

/**
 * Statistics for the planner. A tree of tables with a foreign one in it is left out, because its sample would be fetched from
 * the other server: out of a test restore, or in vain, which would end the whole restore.
 */
export async function analyzeRestored(client: pg.Client): Promise<Finding[]> {
  const { rows } = await client.query<{ name: string; foreign: boolean }>(`
    WITH RECURSIVE reaching AS (
      SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'f'
      UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN reaching r ON r.oid = i.inhrelid)
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.oid IN (SELECT oid FROM reaching) AS foreign
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm', 'p', 'f') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_toast' ORDER BY 1`);
  const foreign = rows.filter((row) => row.foreign).map((row) => row.name);
  if (foreign.length === 0) {
    await client.query('ANALYZE');
    return [];
  }
  const own = rows.filter((row) => !row.foreign).map((row) => row.name);
  await client.query(`ANALYZE ${own.join(', ')}`);
  return [
    {
      code: 'foreign_tables_not_analyzed',
      severity: 'info',
      object: foreign.slice(0, MOST_NAMES).join(', '),
      message: 'Tables that reach other servers have no statistics for the planner: gathering them would read those servers.',
      fix: `ANALYZE ${foreign.join(', ')};`,
    },
  ];
}
