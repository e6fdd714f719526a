import { enableRowSecurity } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Groups and tags, several schedules per plan, windows, priorities, pauses, limits. `plans.server_id`, `cron` and `time_zone` are read no more. */
export class SelectServersAndSchedules1764201600000 implements MigrationInterface {
  readonly name = 'SelectServersAndSchedules1764201600000';

  async up(runner: QueryRunner): Promise<void> {
    // The owner obeys row security, too, and would find no row to change.
    for (const table of ['plans', 'runs']) await runner.query(`ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`);
    for (const statements of [TAGS_AND_GROUPS, PLANS, RUNS, LIMITS, EXISTING_PLANS]) await runner.query(statements);
    for (const table of ['plans', 'runs']) await runner.query(`ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
    for (const table of ['server_groups', 'schedules', 'scheduling', 'templates'])
      await runner.query(enableRowSecurity('scheduler', table));
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}

const TAGS_AND_GROUPS = `
  -- A tag is found by itself and by its key alone.
  CREATE FUNCTION tag_terms(tags text[]) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT COALESCE(array_agg(DISTINCT term), '{}') FROM unnest(tags) AS tag, LATERAL (VALUES (tag), (split_part(tag, '=', 1))) AS terms (term) $$;

  CREATE TABLE server_groups (
    id              text PRIMARY KEY,
    organization_id text NOT NULL,
    name            text NOT NULL,
    description     text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now()
  );
  CREATE UNIQUE INDEX server_groups_name ON server_groups (organization_id, lower(name));

  ALTER TABLE servers
    ADD COLUMN group_ids text[] NOT NULL DEFAULT '{}',
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN heavy_runs integer NOT NULL DEFAULT 1 CHECK (heavy_runs > 0),
    ADD COLUMN discovery_minutes integer CHECK (discovery_minutes > 0),
    ADD COLUMN blackouts jsonb NOT NULL DEFAULT '[]';
  CREATE INDEX servers_tags ON servers USING gin (tag_terms(tags));
  CREATE INDEX servers_groups ON servers USING gin (group_ids);
  ALTER TABLE databases ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
  CREATE INDEX databases_tags ON databases USING gin (tag_terms(tags));
`;

const PLANS = `
  ALTER TABLE plans
    ALTER COLUMN server_id DROP NOT NULL,
    ALTER COLUMN time_zone SET DEFAULT 'UTC',
    ADD COLUMN server_ids text[] NOT NULL DEFAULT '{}',
    ADD COLUMN server_groups text[] NOT NULL DEFAULT '{}',
    ADD COLUMN server_tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN priority integer NOT NULL DEFAULT 50 CHECK (priority BETWEEN 1 AND 100),
    ADD COLUMN jitter_minutes integer NOT NULL DEFAULT 0 CHECK (jitter_minutes >= 0),
    ADD COLUMN blackouts jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN blackout_due text NOT NULL DEFAULT 'move' CHECK (blackout_due IN ('move', 'skip')),
    ADD COLUMN blackout_running text NOT NULL DEFAULT 'finish' CHECK (blackout_running IN ('finish', 'cancel')),
    ADD COLUMN no_progress_minutes integer NOT NULL DEFAULT 15 CHECK (no_progress_minutes > 0),
    -- Authorizations in them are sealed.
    ADD COLUMN hooks jsonb NOT NULL DEFAULT '[]',
    -- Who paused the plan, why and until when; what says that it is paused is enabled = false.
    ADD COLUMN pause jsonb,
    ADD CONSTRAINT plans_pause CHECK (pause IS NULL OR NOT enabled);
  CREATE INDEX plans_tags ON plans USING gin (tag_terms(tags));

  CREATE TABLE schedules (
    id              text PRIMARY KEY,
    organization_id text NOT NULL,
    plan_id         text NOT NULL REFERENCES plans,
    position        integer NOT NULL,
    type            text NOT NULL CHECK (type IN ('full', 'differential', 'incremental', 'log')),
    cron            text NOT NULL,
    time_zone       text NOT NULL
  );
  CREATE INDEX schedules_plan ON schedules (plan_id, position);
`;

const RUNS = `
  ALTER TABLE runs
    ADD COLUMN backup_type text CHECK (backup_type IN ('full', 'differential', 'incremental', 'log')),
    -- When the schedule said; due_at is moved from there by jitter and blackout windows.
    ADD COLUMN occurs_at timestamptz,
    -- Has a place within all limits, from its admission to the end of the attempt.
    ADD COLUMN admitted_at timestamptz,
    ADD COLUMN waiting_for jsonb,
    ADD COLUMN pause jsonb,
    ADD COLUMN cancel_reason text,
    -- When the running attempt last told of anything new; signs of life alone are none.
    ADD COLUMN progressed_at timestamptz,
    ADD COLUMN priority integer NOT NULL DEFAULT 50 CHECK (priority BETWEEN 1 AND 100),
    DROP CONSTRAINT runs_state_check,
    DROP CONSTRAINT runs_check,
    DROP CONSTRAINT runs_check1,
    ADD CONSTRAINT runs_state CHECK (state IN ('expected', 'due', 'queued', 'running', 'succeeded', 'partial', 'failed', 'cancelled', 'missed', 'skipped')),
    ADD CONSTRAINT runs_attempt CHECK (state IN ('expected', 'due', 'missed', 'skipped', 'cancelled') OR attempt > 0),
    ADD CONSTRAINT runs_finished CHECK ((state IN ('succeeded', 'partial', 'failed', 'cancelled', 'missed', 'skipped')) = (finished_at IS NOT NULL));
  UPDATE runs SET backup_type = 'full' WHERE type = 'backup';
  UPDATE runs SET progressed_at = heartbeat_at WHERE state = 'running';
  UPDATE runs SET occurs_at = due_at WHERE cause = 'schedule';
  UPDATE runs SET admitted_at = COALESCE(dispatched_at, queued_at) WHERE state = 'running' OR (state = 'queued' AND (attempt = 1 OR dispatched_at IS NOT NULL));
  ALTER TABLE runs
    ADD CONSTRAINT runs_backup_type CHECK ((type = 'backup') = (backup_type IS NOT NULL)),
    ADD CONSTRAINT runs_occurs_at CHECK (cause <> 'schedule' OR occurs_at IS NOT NULL);
  DROP INDEX runs_ledger;
  CREATE UNIQUE INDEX runs_ledger ON runs (plan_id, server_id, COALESCE(database_id, ''), backup_type, occurs_at) WHERE cause = 'schedule';
  ALTER TABLE backups ADD COLUMN backup_type text NOT NULL DEFAULT 'full' CHECK (backup_type IN ('full', 'differential', 'incremental', 'log'));
`;

const LIMITS = `
  CREATE TABLE templates (
    id              text PRIMARY KEY,
    organization_id text NOT NULL,
    name            text NOT NULL,
    description     text NOT NULL,
    content         jsonb NOT NULL
  );
  CREATE UNIQUE INDEX templates_name ON templates (organization_id, lower(name));

  CREATE TABLE scheduling (
    organization_id text PRIMARY KEY,
    blackouts       jsonb NOT NULL,
    limits          jsonb NOT NULL
  );
  -- Learned when a repository's keys are fetched: the limit of a storage counts the runs of all its repositories.
  CREATE TABLE repository_places (
    repository_id   text PRIMARY KEY,
    storage_id      text NOT NULL
  );
  -- Of the installation, not of an organization.
  CREATE TABLE workers (
    name            text PRIMARY KEY,
    pool            text NOT NULL,
    slots           integer NOT NULL,
    seen_at         timestamptz NOT NULL
  );
`;

const EXISTING_PLANS = `
  UPDATE plans SET server_ids = ARRAY[server_id];
  INSERT INTO schedules (id, organization_id, plan_id, position, type, cron, time_zone)
    SELECT 'schedule_' || substr(id, 6), organization_id, id, 0, 'full', cron, time_zone FROM plans WHERE cron IS NOT NULL;
`;
