import type pg from 'pg';
import type { Finding } from '@rahat/contracts';
import { quoteIdentifier, quoteLiteral } from '../errors.js';
import { READ_ALL_DATA_SINCE, readingGrants } from '../reading-grants.js';
import { type CurableFinding, cured, listed } from './cured.js';
import { administratorOf, type ManagedServer } from './managed-server.js';
import type { Rights } from './rights.js';

/** Since this major what somebody makes later can be granted for large objects too. */
const LARGE_OBJECT_DEFAULTS_SINCE = 18;

/** What the user can't read of the database it is connected to: a dump would fail on it, or leave it out. */
export async function accessFindings(client: pg.Client, rights: Rights, managed: ManagedServer | null = null): Promise<CurableFinding[]> {
  if (rights.superuser) return [];
  return [
    passwordFinding,
    ...(await unreadableFindings(client, rights)),
    ...(rights.bypassRls ? [] : await rowSecurityFindings(client, rights, managed)),
    ...(await largeObjectFindings(client, rights, managed)),
    ...(await subscriptionFindings(client, rights, managed)),
  ];
}

const passwordFinding: Finding = {
  code: 'role_passwords_not_dumped',
  severity: 'info',
  message: 'Passwords of roles are not backed up: that takes a superuser.',
};

async function unreadableFindings(client: pg.Client, { user, major }: Rights): Promise<CurableFinding[]> {
  const { rows } = await client.query<{ name: string; schema: string; owner: string }>(`
    SELECT format('%I.%I', n.nspname, c.relname) AS name, n.nspname::text AS schema, pg_get_userbyid(c.relowner)::text AS owner
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END)
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1`);
  if (rows.length === 0) return [];
  const finding: Finding = {
    code: 'select_right_missing',
    severity: 'blocker',
    object: listed(rows.map((row) => row.name)),
    message: `The user can't read ${rows.length} tables or sequences.`,
  };
  if (major >= READ_ALL_DATA_SINCE)
    return [cured(finding, { sql: `GRANT pg_read_all_data TO ${quoteIdentifier(user)};`, scope: 'server' })];
  const scope = { schemas: distinct(rows.map((row) => row.schema)), owners: distinct(rows.map((row) => row.owner)) };
  return [cured(finding, { sql: readingGrants(user, scope).join('\n'), scope: 'database' })];
}

async function rowSecurityFindings(client: pg.Client, { user }: Rights, managed: ManagedServer | null): Promise<CurableFinding[]> {
  const { rows } = await client.query<{ name: string; owner: string; forced: boolean }>(`
    SELECT format('%I.%I', n.nspname, c.relname) AS name, pg_get_userbyid(c.relowner)::text AS owner, c.relforcerowsecurity AS forced
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')) ORDER BY 1`);
  if (rows.length === 0) return [];
  const finding: Finding = {
    code: 'row_security',
    severity: 'blocker',
    object: listed(rows.map((row) => row.name)),
    message: `Row-level security hides rows of ${rows.length} tables from the user.`,
  };
  const role = quoteIdentifier(user);
  if (!managed) return [cured(finding, { sql: `ALTER ROLE ${role} BYPASSRLS;`, scope: 'server' }, 'as a superuser')];
  const bypass = `ALTER ROLE ${role} BYPASSRLS; -- where ${administratorOf(managed)} has it (since PostgreSQL 16)`;
  // Its owner sees all rows, unless row security is forced upon him too.
  if (rows.some((row) => row.forced)) return [{ ...finding, fix: `${bypass}, or without it: ALTER TABLE … NO FORCE ROW LEVEL SECURITY;` }];
  const memberships = distinct(rows.map((row) => row.owner)).map((owner) => `GRANT ${quoteIdentifier(owner)} TO ${role};`);
  return [
    cured(
      finding,
      { sql: memberships.join('\n'), scope: 'server' },
      `which also lets it write; better, where ${administratorOf(managed)} has it (since PostgreSQL 16): ALTER ROLE ${role} BYPASSRLS;`,
    ),
  ];
}

async function largeObjectFindings(client: pg.Client, rights: Rights, managed: ManagedServer | null): Promise<CurableFinding[]> {
  const { rows } = await client.query<{ owner: string; count: string; compatible: boolean }>(`
    SELECT pg_get_userbyid(m.lomowner)::text AS owner, count(*) AS count, current_setting('lo_compat_privileges') = 'on' AS compatible
      FROM pg_largeobject_metadata m
     WHERE NOT pg_has_role(m.lomowner, 'USAGE') AND NOT EXISTS (
       SELECT FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
     GROUP BY 1 ORDER BY 1`);
  if (rows.length === 0) return [];
  if (rows[0]?.compatible)
    return [
      {
        code: 'large_objects_writable',
        severity: 'info',
        message: 'lo_compat_privileges lets the user read every large object, and write it: before PostgreSQL 18 there is nothing finer.',
      },
    ];
  const count = rows.reduce((sum, row) => sum + Number(row.count), 0);
  const finding: Finding = {
    code: 'large_objects_unreadable',
    severity: 'blocker',
    message: `The user can't read ${count} large objects; pg_read_all_data does not cover them.`,
  };
  const role = quoteIdentifier(rights.user);
  const later = rights.major >= LARGE_OBJECT_DEFAULTS_SINCE;
  if (!later && !managed)
    return [cured(finding, { sql: `ALTER ROLE ${role} SET lo_compat_privileges = on;`, scope: 'server' }, 'as a superuser')];
  const defaults = rows.map(
    ({ owner }) => `ALTER DEFAULT PRIVILEGES FOR ROLE ${quoteIdentifier(owner)} GRANT SELECT ON LARGE OBJECTS TO ${role};`,
  );
  const sql = [grantEachLargeObject(rights.user), ...(later ? defaults : [])].join('\n');
  return [cured(finding, { sql, scope: 'database' }, later ? undefined : 'as their owner, and again for those that are made later')];
}

function grantEachLargeObject(user: string): string {
  const grant = `format('GRANT SELECT ON LARGE OBJECT %s TO %I', object, ${quoteLiteral(user)})`;
  // Named by a tag that no role's name can close.
  const tag = ['$grant$', '$grant_each$'].find((one) => !user.includes(one)) ?? '$grant_every_large_object$';
  return `DO ${tag} DECLARE object oid; BEGIN FOR object IN SELECT oid FROM pg_largeobject_metadata LOOP EXECUTE ${grant}; END LOOP; END ${tag};`;
}

async function subscriptionFindings(client: pg.Client, { user }: Rights, managed: ManagedServer | null): Promise<Finding[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT subname::text AS name FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())',
  );
  if (rows.length === 0) return [];
  return [
    {
      code: 'subscriptions_not_dumped',
      severity: 'gap',
      object: rows.map((row) => row.name).join(', '),
      message: 'Subscriptions are left out: only a superuser can back them up.',
      // Not for a script: it would be no backup user any more.
      fix: managed ? 'Keep their definitions elsewhere.' : `ALTER ROLE ${quoteIdentifier(user)} SUPERUSER; -- or accept the gap`,
    },
  ];
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)];
}
