import type pg from 'pg';
import type { Finding } from '@rahat/contracts';
import { type CurableFinding, cured, listed, setting } from './cured.js';
import { extensionFindings } from './extension-findings.js';
import type { Rights } from './rights.js';

interface Content {
  extensions: { name: string; version: string }[];
  unlogged: string[];
  foreign: string[];
  objects: string;
  tables: string;
  /** Lock tables have room for max_locks_per_transaction times this. */
  lockers: number;
  locksEach: number;
  /** The primary waits with its vacuum for what a replica still reads. */
  feedback: boolean;
}

/** What a database holds that matters for its backup or its restore. */
export async function contentFindings(client: pg.Client, rights: Rights): Promise<CurableFinding[]> {
  const { rows } = await client.query<Content>(`
    SELECT COALESCE((SELECT json_agg(json_build_object('name', extname, 'version', extversion) ORDER BY extname) FROM pg_extension WHERE extname <> 'plpgsql'), '[]') AS extensions,
           ARRAY(SELECT format('%I.%I', n.nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relpersistence = 'u' AND relkind = 'r' ORDER BY 1) AS unlogged,
           ARRAY(SELECT format('%I.%I', n.nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind = 'f' ORDER BY 1) AS foreign,
           (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p')) AS tables,
           current_setting('max_locks_per_transaction')::int AS "locksEach", current_setting('hot_standby_feedback') = 'on' AS feedback,
           current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int AS lockers,
           (SELECT count(*) FROM pg_largeobject_metadata) AS objects`);
  const [content] = rows;
  if (!content) return [];
  return [
    ...extensionFindings(content.extensions),
    ...lockFindings(content),
    ...tableFindings(content, rights),
    ...(rights.recovery && !content.feedback ? [replicaFinding] : []),
  ];
}

function lockFindings({ tables, lockers, locksEach }: Content): CurableFinding[] {
  const locks = lockers * locksEach;
  if (Number(tables) <= locks) return [];
  const message = `A dump locks all ${tables} tables at once; the server has room for about ${locks} locks.`;
  // Half as many again, for those that come and for everybody else.
  const enough = Math.ceil((Number(tables) * 1.5) / lockers);
  return [
    cured({ code: 'locks_may_not_suffice', severity: 'warning', message }, setting('max_locks_per_transaction', String(enough), 'restart')),
  ];
}

function tableFindings({ unlogged, foreign, objects }: Content, { recovery }: Rights): Finding[] {
  const findings: Finding[] = [];
  if (unlogged.length > 0)
    findings.push({
      code: 'unlogged_tables',
      severity: 'info',
      object: listed(unlogged),
      message: 'Unlogged tables are backed up, but empty on replicas and in physical backups.',
    });
  if (unlogged.length > 0 && recovery)
    findings.push({
      code: 'unlogged_tables_on_replica',
      severity: 'blocker',
      object: listed(unlogged),
      message: "Unlogged tables can't be read on a replica.",
      fix: 'Back up from the primary.',
    });
  if (foreign.length > 0)
    findings.push({
      code: 'foreign_tables',
      severity: 'warning',
      object: listed(foreign),
      message: 'Of foreign tables only the definition is backed up; their rows are on another server.',
    });
  if (Number(objects) > 0)
    findings.push({ code: 'large_objects', severity: 'info', message: `${objects} large objects are backed up too.` });
  return findings;
}

const replicaFinding = cured(
  { code: 'replica_source', severity: 'info', message: 'A long dump on a replica may be cancelled by replay.' },
  setting('hot_standby_feedback', 'on', 'reload'),
  'on the replica',
);
