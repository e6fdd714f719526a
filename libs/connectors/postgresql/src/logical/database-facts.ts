import type pg from 'pg';
import { z } from 'zod';

const DatabaseGrant = z.object({
  grantee: z.string(),
  privilege: z.string(),
  grantable: z.boolean(),
  /** Absent in older backups. */
  everyone: z.boolean().optional(),
});

/** A role may be called `PUBLIC`; older backups don't tell it from everyone. */
export function isForEveryone(grant: z.infer<typeof DatabaseGrant>): boolean {
  return grant.everyone ?? grant.grantee === 'PUBLIC';
}

/** What pg_dump leaves out without --create, and what a restore has to know beforehand. Stored with each logical backup. */
export const DatabaseFacts = z.object({
  format: z.literal(1),
  serverMajor: z.number(),
  name: z.string(),
  owner: z.string(),
  encoding: z.string(),
  collate: z.string(),
  ctype: z.string(),
  /** c = libc, i = ICU, b = built in. */
  localeProvider: z.string(),
  locale: z.string().nullable(),
  icuRules: z.string().nullable(),
  collationVersion: z.string().nullable(),
  connectionLimit: z.number(),
  tablespace: z.string(),
  comment: z.string().nullable(),
  /** Absent = the server's default rights. */
  grants: z.array(DatabaseGrant).nullable(),
  settings: z.array(z.object({ role: z.string().nullable(), assignment: z.string() })),
  /** Roles that own something, or have a right or a policy, in the database. */
  roles: z.array(z.string()),
  extensions: z.array(z.object({ name: z.string(), version: z.string() })),
  tablespaces: z.array(z.string()),
  lcMonetary: z.string(),
  largeObjects: z.object({ count: z.number(), rowHash: z.string() }),
});
export type DatabaseFacts = z.infer<typeof DatabaseFacts>;

/** Reads the facts inside the caller's transaction. `largeObjects` is what the stream held. */
export async function readDatabaseFacts(client: pg.Client): Promise<Omit<DatabaseFacts, 'largeObjects'>> {
  const [row] = (
    await client.query<{
      database: Record<string, unknown>;
      owner: string;
      encoding: string;
      tablespace: string;
      comment: string | null;
      major: number;
      monetary: string;
    }>(`
    SELECT to_jsonb(d) AS database, pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding, t.spcname AS tablespace,
           shobj_description(d.oid, 'pg_database') AS comment, current_setting('server_version_num')::int / 10000 AS major, current_setting('lc_monetary') AS monetary
      FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = current_database()`)
  ).rows;
  if (!row) throw new Error('the current database is not in pg_database');
  // Column names differ from major to major: daticulocale (15, 16) became datlocale (17).
  const text = (...names: string[]): string | null =>
    (names.map((name) => row.database[name]).find((value) => typeof value === 'string') as string | undefined) ?? null;
  return {
    format: 1,
    serverMajor: row.major,
    name: text('datname') ?? '',
    owner: row.owner,
    encoding: row.encoding,
    collate: text('datcollate') ?? '',
    ctype: text('datctype') ?? '',
    localeProvider: text('datlocprovider') ?? 'c',
    locale: text('datlocale', 'daticulocale'),
    icuRules: text('daticurules'),
    collationVersion: text('datcollversion'),
    connectionLimit: Number(row.database.datconnlimit ?? -1),
    tablespace: row.tablespace,
    comment: row.comment,
    lcMonetary: row.monetary,
    grants:
      row.database.datacl == null
        ? null
        : (
            await client.query<z.infer<typeof DatabaseGrant>>(`
      SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END AS grantee, a.privilege_type AS privilege, a.is_grantable AS grantable,
             a.grantee = 0 AS everyone FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = current_database() ORDER BY 1, 2`)
          ).rows,
    settings: (
      await client.query<{ role: string | null; assignment: string }>(`
      SELECT r.rolname AS role, unnest(s.setconfig) AS assignment FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
       WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1 NULLS FIRST, 2`)
    ).rows,
    roles: (
      await client.query<{ name: string }>(`
      SELECT DISTINCT r.rolname::text AS name FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
       WHERE d.refclassid = 'pg_authid'::regclass AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1`)
    ).rows.map((role) => role.name),
    extensions: (
      await client.query<{ name: string; version: string }>(
        'SELECT extname::text AS name, extversion AS version FROM pg_extension ORDER BY 1',
      )
    ).rows,
    tablespaces: (
      await client.query<{ name: string }>(`
      SELECT DISTINCT t.spcname::text AS name FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE t.spcname NOT LIKE 'pg\\_%' ORDER BY 1`)
    ).rows.map((space) => space.name),
  };
}
