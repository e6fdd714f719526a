import type pg from 'pg';
import type { Finding, ManagedProvider } from '@rahat/contracts';
import { lacksRight } from '../errors.js';
import type { Rights } from './rights.js';

/** What gives a provider away; all of it can be read by anybody who may log in. */
export interface ServerMarks {
  /** We may do everything: then nobody manages the server for us. */
  superuser: boolean;
  /** Who the server was made by; never anybody but the provider. */
  firstRole: string;
  settings: readonly string[];
  functions: readonly string[];
}

export interface ManagedServer {
  name: ManagedProvider;
  title: string;
  marks: string[];
}

interface ProviderTraits {
  title: string;
  /** Beginnings of names of settings that only this provider's servers have. */
  settings: readonly string[];
  functions?: readonly string[];
  firstRoles: readonly string[];
  /** Of its own, which no customer gets into. */
  databases: readonly string[];
  /** Who may grant what a superuser grants elsewhere. */
  admin: string;
  /** Where its settings are changed, because ALTER SYSTEM is refused. */
  settingsPlace: string;
  /** The provider's own way back to a moment. */
  ownRecovery: string;
}

/** The first that fits is meant: Aurora has all marks of RDS, AlloyDB some of Cloud SQL. */
const PROVIDERS: Record<ManagedProvider, ProviderTraits> = {
  aurora: {
    title: 'Amazon Aurora',
    settings: ['apg_', 'aurora_'],
    functions: ['aurora_version'],
    firstRoles: [],
    databases: ['rdsadmin'],
    admin: 'a member of rds_superuser',
    settingsPlace: "the cluster's parameter group",
    ownRecovery: "Aurora's own snapshots and RestoreDBClusterToPointInTime",
  },
  rds: {
    title: 'Amazon RDS',
    settings: ['rds.'],
    firstRoles: ['rdsadmin'],
    databases: ['rdsadmin'],
    admin: 'a member of rds_superuser',
    settingsPlace: "the instance's parameter group",
    ownRecovery: "RDS's own snapshots and RestoreDBInstanceToPointInTime",
  },
  alloydb: {
    title: 'Google AlloyDB',
    settings: ['alloydb.', 'alloydb_'],
    firstRoles: ['alloydbadmin'],
    databases: ['alloydbadmin', 'alloydbmetadata'],
    admin: 'a member of alloydbsuperuser',
    settingsPlace: "the instance's database flags",
    ownRecovery: "AlloyDB's own continuous backup",
  },
  'cloud-sql': {
    title: 'Google Cloud SQL',
    settings: ['cloudsql.'],
    firstRoles: ['cloudsqladmin'],
    databases: ['cloudsqladmin'],
    admin: 'a member of cloudsqlsuperuser',
    settingsPlace: "the instance's database flags",
    ownRecovery: "Cloud SQL's own backups and point-in-time recovery",
  },
  azure: {
    title: 'Azure Database for PostgreSQL',
    settings: ['azure.', 'azure_'],
    firstRoles: ['azuresu'],
    databases: ['azure_maintenance', 'azure_sys'],
    admin: 'a member of azure_pg_admin',
    settingsPlace: "the server's parameters",
    ownRecovery: "Azure's own backups and point-in-time restore",
  },
  supabase: {
    title: 'Supabase',
    settings: ['supautils.'],
    firstRoles: ['supabase_admin'],
    databases: [],
    admin: 'the role postgres',
    settingsPlace: "the project's database settings",
    ownRecovery: "Supabase's own backups",
  },
  neon: {
    title: 'Neon',
    settings: ['neon.'],
    firstRoles: ['cloud_admin'],
    databases: [],
    admin: 'a member of neon_superuser',
    settingsPlace: "the project's settings",
    ownRecovery: "Neon's own history",
  },
};
/** Settings that everybody may SHOW there; a view of all settings leaves out those that no module has declared. */
const SHOWN_SETTINGS = [
  'rds.extensions',
  'apg_critical_insights.enable',
  'cloudsql.iam_authentication',
  'alloydb.iam_authentication',
  'azure.extensions',
  'neon.timeline_id',
];

/**
 * Roles alone are no mark: who moved from a provider to a server of their own brought the roles along. A setting, a function or the
 * role that made the server can't be brought along.
 */
export function detectManagedServer({ superuser, firstRole, settings, functions }: ServerMarks): ManagedServer | null {
  if (superuser) return null;
  for (const [name, traits] of Object.entries(PROVIDERS) as [ManagedProvider, ProviderTraits][]) {
    const marks = [
      ...settings.filter((setting) => traits.settings.some((beginning) => setting.startsWith(beginning))).map((one) => `setting ${one}`),
      ...functions.filter((one) => traits.functions?.includes(one)).map((one) => `function ${one}()`),
      ...traits.firstRoles.filter((role) => role === firstRole).map((role) => `role ${role}`),
    ];
    if (marks.length > 0) return { name, title: traits.title, marks };
  }
  return null;
}

export async function readManagedServer(client: pg.Client, { superuser }: Pick<Rights, 'superuser'>): Promise<ManagedServer | null> {
  if (superuser) return null;
  const prefixes = Object.values(PROVIDERS).flatMap(({ settings }) => settings);
  const functions = Object.values(PROVIDERS).flatMap((traits) => traits.functions ?? []);
  // 10 is BOOTSTRAP_SUPERUSERID of PostgreSQL's sources: the role that initdb makes.
  const { rows } = await client.query<{ firstRole: string | null; settings: string[]; functions: string[] }>(
    `SELECT (SELECT rolname::text FROM pg_roles WHERE oid = 10) AS "firstRole",
            ARRAY(SELECT name FROM pg_settings WHERE EXISTS (SELECT FROM unnest($1::text[]) p WHERE starts_with(name, p)) ORDER BY 1) AS settings,
            ARRAY(SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY ($2::text[])) AS functions`,
    [prefixes, functions],
  );
  const seen = rows[0];
  const settings = new Set(seen?.settings);
  for (const name of SHOWN_SETTINGS) {
    const { rows: shown } = await client.query<{ there: boolean }>('SELECT current_setting($1, true) IS NOT NULL AS there', [name]).catch(
      // Refused = it is there, and only for superusers.
      (error: unknown) => ({ rows: [{ there: lacksRight(error) }] }),
    );
    if (shown[0]?.there) settings.add(name);
  }
  return detectManagedServer({
    superuser,
    firstRole: seen?.firstRole ?? '',
    settings: [...settings],
    functions: seen?.functions ?? [],
  });
}

/** What is possible there, and what nobody gets. */
export function managedFindings({ name, title }: ManagedServer): Finding[] {
  return [
    {
      code: 'managed_server',
      severity: 'info',
      message: `${title} runs this server: logical backups are possible; base backups, following its log, superusers and passwords of roles are not.`,
      fix: `Grants are given there by ${PROVIDERS[name].admin}. For recovery to a moment keep ${PROVIDERS[name].ownRecovery} as well.`,
    },
  ];
}

export function managedPhysicalFindings({ name, title }: ManagedServer): Finding[] {
  return [
    {
      code: 'managed_no_physical',
      severity: 'blocker',
      message: `${title} lets nobody take base backups or follow the log.`,
      fix: `Make logical backups of this server; for recovery to a moment keep ${PROVIDERS[name].ownRecovery}.`,
    },
  ];
}

/** What to do there instead of ALTER SYSTEM. */
export function managedSettingFix({ name }: ManagedServer, sql: string): string | undefined {
  const [, setting, value] = /^ALTER SYSTEM SET (\w+) = (.*?);/.exec(sql) ?? [];
  return setting === undefined ? undefined : `Set ${setting} to ${value} in ${PROVIDERS[name].settingsPlace}.`;
}

export function databasesOfProvider(managed: ManagedServer | null): readonly string[] {
  return managed ? PROVIDERS[managed.name].databases : [];
}

export function administratorOf(managed: ManagedServer | null): string {
  return managed ? PROVIDERS[managed.name].admin : 'a superuser';
}
