import type pg from 'pg';
import { quoteIdentifier } from '../errors.js';

export interface LiveColumn {
  name: string;
  /** As SQL names it. */
  type: string;
  /** Computed from others: nobody writes it. */
  generated: boolean;
  /** An identity that an UPDATE may not set. */
  alwaysIdentity: boolean;
}

export interface KeyColumn {
  name: string;
  /** Its equality, as the index of the key has it. */
  operator: string;
}

export interface LiveTable {
  oid: number;
  /** The table that it is a partition of, at the root; itself where it is none. */
  root: number;
  schema: string;
  name: string;
  /** Quoted. */
  sqlName: string;
  ordinary: boolean;
  /** As the planner estimates. */
  rows: number;
  columns: LiveColumn[];
  /** Of the primary key, or another unique index without NULLs; empty = none. */
  key: KeyColumn[];
  owned: boolean;
  rights: string[];
  rowSecurity: boolean;
  rules: string[];
  triggers: { name: string; always: boolean }[];
  sequences: { sqlName: string; column: string; mayWrite: boolean }[];
}

type Row = Omit<LiveTable, 'sqlName' | 'key'> & { keys: KeyColumn[][] | null };

/** Those of the tables that are there, in no order. Needs the pinned text forms of the session. */
export async function readLiveTables(client: pg.Client, names: readonly { schema: string; table: string }[]): Promise<LiveTable[]> {
  const { rows } = await client.query<Row>(LIVE_TABLES, [names.map(({ schema }) => schema), names.map(({ table }) => table)]);
  return rows.map(({ keys, ...row }) => ({
    ...row,
    sqlName: `${quoteIdentifier(row.schema)}.${quoteIdentifier(row.name)}`,
    key: keys?.[0] ?? [],
  }));
}

export function writableColumns({ columns }: LiveTable): string[] {
  return columns.filter(({ generated }) => !generated).map(({ name }) => name);
}

const LIVE_TABLES = `
  SELECT c.oid::int8::float8 AS oid, coalesce(pg_partition_root(c.oid)::oid, c.oid)::int8::float8 AS root, n.nspname::text AS schema, c.relname::text AS name,
    c.relkind = 'r' AS ordinary, greatest(c.reltuples, 0)::float8 AS rows, pg_has_role(c.relowner, 'USAGE') AS owned,
    ARRAY(SELECT r FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS r WHERE has_table_privilege(c.oid, r)) AS rights,
    c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE'))
      AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS "rowSecurity",
    ARRAY(SELECT w.rulename::text FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type IN ('2', '3', '4') AND w.ev_enabled IN ('O', 'A') ORDER BY 1) AS rules,
    coalesce((SELECT json_agg(json_build_object('name', t.tgname, 'always', t.tgenabled = 'A') ORDER BY t.tgname) FROM pg_trigger t
      WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')), '[]') AS triggers,
    coalesce((SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'generated', a.attgenerated <> '',
      'alwaysIdentity', a.attidentity = 'a') ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS columns,
    coalesce((SELECT json_agg(json_build_object('sqlName', format('%I.%I', sn.nspname, s.relname), 'column', a.attname,
        'mayWrite', has_sequence_privilege(s.oid, 'UPDATE') AND has_sequence_privilege(s.oid, 'SELECT')))
      FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid IN (c.oid, pg_partition_root(c.oid)) AND d.deptype IN ('a', 'i')), '[]') AS sequences,
    (SELECT json_agg(key.columns ORDER BY i.indisprimary DESC, i.indexrelid) FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
        JOIN pg_am am ON am.oid = ic.relam AND am.amname = 'btree'
        CROSS JOIN LATERAL (SELECT json_agg(json_build_object('name', a.attname, 'operator', format('OPERATOR(%I.%s)', opn.nspname, o.oprname)) ORDER BY k.n) AS columns,
            count(*) AS known, bool_and(a.attnotnull) AS filled
          FROM unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k(attnum, opclass, n)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum JOIN pg_opclass oc ON oc.oid = k.opclass
            JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype AND ao.amopstrategy = 3
            JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace opn ON opn.oid = o.oprnamespace
          WHERE k.n <= i.indnkeyatts) AS key
      WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND key.known = i.indnkeyatts AND key.filled) AS keys
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN unnest($1::text[], $2::text[]) AS wanted(schema, name) ON wanted.schema = n.nspname AND wanted.name = c.relname
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')`;
