import { limitToServerGroups, REACHED_GROUPS, REACHED_SERVERS } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a person sees whose role is limited to server groups: of each table what hangs on servers of these groups. */
export class LimitToServerGroups1764610000000 implements MigrationInterface {
  readonly name = 'LimitToServerGroups1764610000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(COLUMNS);
    await runner.query(FUNCTIONS);
    await runner.query(limitToServerGroups('scheduler', LIMITS));
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}

const COLUMNS = `
  -- Whose event it is; older ones are gone within the hour.
  ALTER TABLE live_events ADD COLUMN server_id text;
  -- Of whom a limited person keeps it; null: of the whole organization. Who says nothing keeps it for those that see what they see.
  ALTER TABLE saved_searches ADD COLUMN server_groups text[];
  ALTER TABLE saved_searches ALTER COLUMN server_groups SET DEFAULT NULLIF(current_setting('app.server_groups', true), '')::text[];
`;

const FUNCTIONS = `
  -- Deleted servers, too: their backups stay restorable.
  CREATE FUNCTION reached_servers(text, text[]) RETURNS SETOF text LANGUAGE sql STABLE
    AS $$ SELECT id FROM scheduler.servers WHERE organization_id = $1 AND group_ids && $2 $$;
`;

const onReachedServer = { rows: `server_id IN ${REACHED_SERVERS}` };
const outside = (column: string, reached: string) => `EXISTS (SELECT FROM unnest(${column}) AS named WHERE named NOT IN ${reached})`;
const ofVisible = (table: string, condition: string) => ({ rows: `EXISTS (SELECT FROM scheduler.${table} WHERE ${condition})` });

/** Each table has its rule here or in a later migration; one without is closed to them. */
const LIMITS = {
  // Not by the servers that were found at the beginning: one that they make belongs to them at once.
  servers: { rows: `EXISTS (SELECT FROM unnest(group_ids) AS own WHERE own IN ${REACHED_GROUPS})` },
  server_groups: { rows: `id IN ${REACHED_GROUPS}` },
  databases: onReachedServer,
  // All that it selects lies within, today and tomorrow: tags alone select from the whole organization.
  plans: {
    rows: `(server_ids <> '{}' OR server_groups <> '{}') AND (server_tags = '{}' OR server_groups <> '{}')
      AND NOT ${outside('server_ids', REACHED_SERVERS)} AND NOT ${outside('server_groups', REACHED_GROUPS)}`,
  },
  schedules: ofVisible('plans', 'plans.id = schedules.plan_id'),
  runs: onReachedServer,
  attempts: ofVisible('runs', 'runs.id = attempts.run_id'),
  run_logs: ofVisible('runs', 'runs.id = run_logs.run_id'),
  backups: onReachedServer,
  restore_plans: {
    rows: `server_id IN ${REACHED_SERVERS} AND EXISTS (SELECT FROM scheduler.backups WHERE backups.id = restore_plans.backup_id)`,
  },
  protections: onReachedServer,
  protection_marks: onReachedServer,
  live_events: onReachedServer,
  log_streams: onReachedServer,
  log_ranges: onReachedServer,
  log_branches: onReachedServer,
  log_gaps: onReachedServer,
  saved_searches: { rows: `server_groups IS NOT NULL AND NOT ${outside('server_groups', REACHED_GROUPS)}` },
  // What is theirs rests on these, and nothing in them is anybody's.
  templates: 'read',
  scheduling: 'read',
  collection_policies: 'read',
  memory: 'read',
  outbox: 'append',
} as const;
