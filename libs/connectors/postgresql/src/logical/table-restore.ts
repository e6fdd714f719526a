import type pg from 'pg';
import type { ConnectorContext, Job } from '@rahat/connector-kit';
import type { Finding } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { quoteIdentifier } from '../errors.js';
import { restoreClient } from '../required-tool.js';
import type { TocEntry } from './archive-toc.js';
import { compareRows } from './compare-rows.js';
import { loadArchive } from './load-archive.js';
import type { PreparedRestore } from './prepare-restore.js';
import { partNotRestored, type LeftOut } from './selection.js';
import { freeName, secondOf } from './set-aside.js';
import { archiveOf } from './stored-dump.js';
import { syntheticEntry } from './synthetic-entry.js';

interface ForeignKey {
  table: string;
  name: string;
  definition: string;
  /** PostgreSQL before 18 has no NOT VALID for these. */
  partitioned: boolean;
}

/**
 * Brings chosen tables, proven in staging before, into a database that is in use: existing ones move to a schema of their
 * own, the former ones come back, and foreign keys of other tables point to them again, all in one transaction.
 */
export async function restoreIntoExisting(
  prepared: PreparedRestore,
  context: ConnectorContext,
  job: Job,
): Promise<{ setAside: string[]; findings: Finding[] }> {
  const { connection, request, name, dump, selection, target } = prepared;
  await using client = await connectClient(connection, { database: name, label: request.label, signal: job.signal });
  await client.query("SELECT pg_catalog.set_config('search_path', '', false)");
  const existing = await existingTables(client, selection.tables);
  const aside = await freeName(
    new Date(),
    (at) => `rhb_old_${secondOf(at)}`,
    async (schema) => (await client.query('SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1', [schema])).rows.length > 0,
  );
  const foreignKeys = await foreignKeysOfOthers(client, existing);
  const findings: Finding[] = [
    ...foreignKeys
      .filter((key) => !key.partitioned)
      .map((key): Finding => ({
        code: 'foreign_key_not_validated',
        severity: 'warning',
        object: key.table,
        message: `Foreign key ${key.name} points to the restored table again; rows that were there before are not checked.`,
        fix: `ALTER TABLE ${key.table} VALIDATE CONSTRAINT ${quoteIdentifier(key.name)};`,
      })),
    ...(await viewsOnTables(client, existing)).map((view): Finding => ({
      code: 'view_reads_former_table',
      severity: 'warning',
      object: view,
      message: `View ${view} still reads the table that was moved to schema ${aside}.`,
      fix: 'Create the view again.',
    })),
  ];

  const joined = await joinPresentTables(client, selection.leftOut);
  findings.push(...joined.findings);
  const selected = new Set(selection.entries);
  const wanted = dump.toc.entries.filter((entry) => selected.has(entry) || joined.entries.has(entry));
  const present = await presentNeeds(client, wanted, existing);
  const entries = wanted.filter((entry) => !present.has(entry));
  const highest = dump.toc.entries.reduce((most, entry) => Math.max(most, entry.dumpId), 0);
  if (existing.length > 0) {
    const moves = [
      `CREATE SCHEMA ${quoteIdentifier(aside)};`,
      ...foreignKeys.map((key) => `ALTER TABLE ${key.table} DROP CONSTRAINT ${quoteIdentifier(key.name)};`),
      ...existing.map((table) => `ALTER TABLE ${table.qualified} SET SCHEMA ${quoteIdentifier(aside)};`),
      // Extended statistics have names of their own and stay where they are when their table moves.
      ...(await statisticsOf(client, existing)).map((name) => `ALTER STATISTICS ${name} SET SCHEMA ${quoteIdentifier(aside)};`),
    ];
    // After the settings, which come first: names in other encodings are read under them.
    const settings = entries.filter((entry) => ['ENCODING', 'STDSTRINGS', 'SEARCHPATH'].includes(entry.description)).length;
    entries.splice(settings, 0, syntheticEntry(dump.toc, highest + 1, 'move aside', moves.join('\n'), 'before data'));
  }
  const keys = [
    ...joined.foreignKeys,
    ...foreignKeys.map(
      (key) =>
        `ALTER TABLE ${key.table} ADD CONSTRAINT ${quoteIdentifier(key.name)} ${key.definition.replace(/ NOT VALID$/, '')}${key.partitioned ? '' : ' NOT VALID'};`,
    ),
  ];
  if (keys.length > 0) entries.push(syntheticEntry(dump.toc, highest + 2, 'foreign keys', keys.join('\n'), 'after data'));

  const tool = await restoreClient(dump.major, target.major, context.toolFolders);
  const archive = archiveOf(dump, entries, () => undefined);
  job.progress({ phase: 'move in', bytes: 0 });
  await loadArchive(
    tool,
    connection,
    { database: name, label: request.label, noOwner: request.noOwner ?? false, noAcl: request.noAcl ?? false, singleTransaction: true },
    archive,
    context,
    job,
  );

  // Others may write as soon as it is committed, so a difference here is told and not undone: the proof was made in staging.
  const inPlace = await compareRows(client, dump, entries, job);
  findings.push(
    ...inPlace.tables
      .filter((table) => !table.matches)
      .map((table): Finding => ({
        code: 'changed_after_restore',
        severity: 'warning',
        object: `${table.schema}.${table.table}`,
        message: `The table holds ${table.actualRows} rows now, ${table.expectedRows} were restored: it was written to at once, or a trigger changed it.`,
      })),
  );
  return { setAside: existing.map((table) => `${name}: ${aside}.${table.entry.tag}`), findings };
}

/**
 * Parts that need tables which were not chosen but are in the database: they come too. Foreign keys come unchecked, since the
 * rows that they point to may be gone by now, which is no reason to refuse the table.
 */
export async function joinPresentTables(
  client: pg.Client,
  leftOut: readonly LeftOut[],
): Promise<{ entries: Set<TocEntry>; foreignKeys: string[]; findings: Finding[] }> {
  const joined = { entries: new Set<TocEntry>(), foreignKeys: [] as string[], findings: [] as Finding[] };
  const present = new Set(
    (
      await existingTables(
        client,
        leftOut.flatMap((out) => out.lacking),
      )
    ).map((table) => table.entry),
  );
  const isPresent = (table: TocEntry): boolean =>
    [...present].some((other) => other.namespace === table.namespace && other.tag === table.tag);
  for (const out of leftOut) {
    const sql = out.part.definition.toString('utf8').trim();
    if (!out.lacking.every(isPresent)) joined.findings.push(partNotRestored(out));
    else if (out.part.description === 'FK CONSTRAINT' && /^ALTER TABLE ONLY /.test(sql)) {
      joined.foreignKeys.push(sql.replace(/( NOT VALID)?;$/, ' NOT VALID;'));
      joined.findings.push({
        code: 'foreign_key_not_validated',
        severity: 'warning',
        object: `${out.part.namespace}.${out.part.tag}`,
        message: 'The foreign key of the restored table is back; its rows are not checked against the other table.',
        fix: sql.replace(/ADD CONSTRAINT ("(?:[^"]|"")*").*$/s, 'VALIDATE CONSTRAINT $1;'),
      });
    } else for (const entry of [out.part, ...out.needs]) joined.entries.add(entry);
  }
  return joined;
}

async function statisticsOf(client: pg.Client, existing: readonly ExistingTable[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `
    SELECT format('%I.%I', n.nspname, s.stxname) AS name FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid::int8 = ANY($1::int8[])`,
    [existing.map((table) => table.oid)],
  );
  return rows.map((row) => row.name);
}

interface ExistingTable {
  entry: TocEntry;
  oid: number;
  /** Quoted. */
  qualified: string;
}

async function existingTables(client: pg.Client, tables: readonly TocEntry[]): Promise<ExistingTable[]> {
  const { rows } = await client.query<{ oid: number; schema: string; name: string }>(
    `
    SELECT c.oid::int8::float8 AS oid, n.nspname::text AS schema, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN unnest($1::text[], $2::text[]) AS wanted(schema, name) ON wanted.schema = n.nspname AND wanted.name = c.relname`,
    [tables.map((table) => table.namespace), tables.map((table) => table.tag)],
  );
  return rows.flatMap((row) => {
    const entry = tables.find((table) => table.namespace === row.schema && table.tag === row.name);
    return entry ? [{ entry, oid: row.oid, qualified: `${quoteIdentifier(row.schema)}.${quoteIdentifier(row.name)}` }] : [];
  });
}

async function foreignKeysOfOthers(client: pg.Client, existing: readonly ExistingTable[]): Promise<ForeignKey[]> {
  const { rows } = await client.query<ForeignKey>(
    `
    SELECT format('%I.%I', n.nspname, c.relname) AS table, k.conname::text AS name, pg_get_constraintdef(k.oid) AS definition, c.relkind = 'p' AS partitioned
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid::int8 = ANY($1::int8[]) AND NOT k.conrelid::int8 = ANY($1::int8[]) ORDER BY 1, 2`,
    [existing.map((table) => table.oid)],
  );
  return rows;
}

async function viewsOnTables(client: pg.Client, existing: readonly ExistingTable[]): Promise<string[]> {
  const { rows } = await client.query<{ view: string }>(
    `
    SELECT DISTINCT format('%I.%I', n.nspname, v.relname) AS view FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
      JOIN pg_class v ON v.oid = r.ev_class JOIN pg_namespace n ON n.oid = v.relnamespace
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid::int8 = ANY($1::int8[]) AND v.relkind IN ('v', 'm') ORDER BY 1`,
    [existing.map((table) => table.oid)],
  );
  return rows.map((row) => row.view);
}

/** Schemas, types, functions, extensions and free sequences that the database has already; they stay as they are. */
export async function presentNeeds(
  client: pg.Client,
  entries: readonly TocEntry[],
  existing: readonly ExistingTable[],
): Promise<Set<TocEntry>> {
  const { rows } = await client.query<{ kind: string; schema: string; tag: string }>(
    `
    SELECT 'SCHEMA' AS kind, '' AS schema, nspname::text AS tag FROM pg_namespace
    UNION ALL SELECT 'EXTENSION', '', extname::text FROM pg_extension
    UNION ALL SELECT CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, n.nspname::text, t.typname::text FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = ANY($1::text[])
    UNION ALL SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END, n.nspname::text, p.proname || '(' || oidvectortypes(p.proargtypes) || ')' FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY($1::text[])
    UNION ALL SELECT 'COLLATION', n.nspname::text, c.collname::text FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE n.nspname = ANY($1::text[])
    UNION ALL SELECT kind, n.nspname::text, s.relname::text FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace, unnest(ARRAY['SEQUENCE', 'SEQUENCE SET']) AS kind
      WHERE s.relkind = 'S' AND n.nspname = ANY($1::text[]) AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjid::int8 = ANY($2::int8[]))`,
    [[...new Set(entries.map((entry) => entry.namespace))], existing.map((table) => table.oid)],
  );
  const present = new Set(rows.map((row) => `${row.kind}\0${row.schema}\0${row.tag}`));
  return new Set(entries.filter((entry) => present.has(`${entry.description}\0${entry.namespace}\0${entry.tag}`)));
}
