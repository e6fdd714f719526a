import type { Job } from '@rahat/connector-kit';
import { RahatError, type Finding } from '@rahat/contracts';
import type pg from 'pg';
import { isConnectionLoss } from '../errors.js';
import type { Amcheck } from './amcheck-extension.js';
import type { StructureCheck } from './check-structure.js';
import { damaged } from './damage.js';

interface Relation {
  oid: number;
  kind: 'table' | 'index';
  name: string;
}

/** The same look without the program: each table, then each B-tree index against its table. */
export async function checkBySql(
  client: pg.Client,
  amcheck: Amcheck,
  { database, rebuilt }: { database: string; rebuilt: boolean },
  job: Job,
): Promise<StructureCheck> {
  await client.query(`SET client_encoding TO 'UTF8'`).catch(() => undefined); // SQL_ASCII has no conversion; names stay bytes.
  const { rows: relations } = await client.query<Relation>(RELATIONS);
  const check: StructureCheck = { tables: 0, indexes: 0, by: `the extension amcheck ${amcheck.version}`, findings: [] };
  for (const relation of relations) {
    if (relation.kind === 'table' && !amcheck.checksTables) continue;
    job.signal.throwIfAborted();
    const name = `${database}.${relation.name}`;
    job.progress({ phase: 'checking structure', object: name, bytes: 0 });
    const look = relation.kind === 'table' ? lookAtTable : lookAtIndex;
    check.findings.push(...(await damageAsFinding(name, () => look(client, amcheck, relation.oid, name, rebuilt))));
    check[relation.kind === 'table' ? 'tables' : 'indexes']++;
  }
  return check;
}

// Unlogged relations are emptied by recovery, temporary ones belonged to sessions that are gone.
const RELATIONS = `
  SELECT c.oid::int8::float8 AS oid, 'table' AS kind, n.nspname || '.' || c.relname AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_am a ON a.oid = c.relam
   WHERE c.relkind IN ('r', 'm', 't') AND a.amname = 'heap' AND c.relpersistence = 'p'
  UNION ALL
  SELECT c.oid::int8::float8, 'index', n.nspname || '.' || c.relname
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_am a ON a.oid = c.relam
   WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisvalid AND i.indisready
   ORDER BY 2 DESC, 1`;

async function lookAtTable(client: pg.Client, { schema }: Amcheck, oid: number, name: string): Promise<Finding[]> {
  const { rows } = await client.query<{ block: string; message: string; more: string }>(
    `SELECT blkno AS block, msg AS message, count(*) OVER () - 1 AS more FROM ${schema}.verify_heapam($1::int8::oid::regclass) LIMIT 1`,
    [oid],
  );
  return rows.map(({ block, message, more }) => damaged(name, `block ${block}: ${message}`, Number(more)));
}

async function lookAtIndex(client: pg.Client, { schema }: Amcheck, oid: number, _name: string, rebuilt: boolean): Promise<Finding[]> {
  await client.query(`SELECT ${schema}.bt_index_parent_check($1::int8::oid::regclass, true${rebuilt ? ', true' : ''})`, [oid]);
  return [];
}

/** The server's word that something is damaged is a finding, and the look goes on; a lost server is an error. */
async function damageAsFinding(name: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof RahatError || isConnectionLoss(error)) throw error;
    return [damaged(name, error instanceof Error ? error.message : String(error))];
  }
}
