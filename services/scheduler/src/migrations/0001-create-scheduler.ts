import { enableRowSecurity, messagingTables } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateScheduler1763900000000 implements MigrationInterface {
  readonly name = 'CreateScheduler1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(messagingTables('scheduler'));
    await runner.query(PROTECTED_THINGS);
    await runner.query(RUNS);
    await runner.query(CATALOG);
    for (const table of ['servers', 'databases', 'plans', 'runs', 'attempts', 'run_logs', 'backups', 'restore_plans']) {
      await runner.query(enableRowSecurity('scheduler', table));
    }
  }

  async down(): Promise<void> {
    throw new Error('The first migration of scheduler is not undone; restore the metadata database instead.');
  }
}

const PROTECTED_THINGS = `
  CREATE TABLE servers (
    id              text PRIMARY KEY,
    organization_id text NOT NULL,
    name            text NOT NULL,
    engine          text NOT NULL CHECK (engine IN ('postgresql')),
    address         jsonb NOT NULL,
    sealed_password text NOT NULL,
    password_set_at timestamptz NOT NULL,
    pool            text NOT NULL,
    platform        boolean NOT NULL DEFAULT false,
    -- What the server said of itself when it was first reached; a change is told, never taken over.
    identity        text,
    version         text,
    discovered_at   timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz
  );
  CREATE UNIQUE INDEX servers_name ON servers (organization_id, lower(name)) WHERE deleted_at IS NULL;
  CREATE UNIQUE INDEX servers_platform ON servers (organization_id) WHERE platform AND deleted_at IS NULL;

  CREATE TABLE databases (
    id              text PRIMARY KEY,
    organization_id text NOT NULL,
    server_id       text NOT NULL REFERENCES servers,
    name            text NOT NULL,
    size_bytes      bigint NOT NULL,
    encoding        text NOT NULL,
    "collation"     text NOT NULL,
    connectable     boolean NOT NULL,
    excluded        boolean NOT NULL DEFAULT false,
    discovered_at   timestamptz NOT NULL,
    missing_since   timestamptz,
    UNIQUE (server_id, name)
  );

  CREATE TABLE plans (
    id              text PRIMARY KEY,
    organization_id text NOT NULL,
    name            text NOT NULL,
    server_id       text NOT NULL REFERENCES servers,
    method          text NOT NULL,
    -- "all" or an array of names.
    databases       jsonb NOT NULL,
    repository_id   text NOT NULL,
    cron            text,
    time_zone       text NOT NULL,
    catch_up        text NOT NULL CHECK (catch_up IN ('run_once', 'skip')),
    keep_last       integer NOT NULL CHECK (keep_last > 0),
    keep_proven     integer NOT NULL CHECK (keep_proven > 0),
    verify          text[] NOT NULL,
    deep            boolean NOT NULL,
    max_attempts    integer NOT NULL CHECK (max_attempts > 0),
    deadline_minutes integer NOT NULL CHECK (deadline_minutes > 0),
    enabled         boolean NOT NULL DEFAULT true,
    -- The ledger holds every occurrence up to here.
    planned_until   timestamptz NOT NULL,
    -- The ledger no longer says what the plan or its databases say.
    replan          boolean NOT NULL DEFAULT true,
    created_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz
  );
  CREATE UNIQUE INDEX plans_name ON plans (organization_id, lower(name)) WHERE deleted_at IS NULL;
  CREATE INDEX plans_server ON plans (server_id);
`;

const RUNS = `
  CREATE TABLE runs (
    id              text PRIMARY KEY,
    organization_id text NOT NULL,
    type            text NOT NULL CHECK (type IN ('backup', 'verification', 'restore')),
    state           text NOT NULL CHECK (state IN ('expected', 'due', 'queued', 'running', 'succeeded', 'partial', 'failed', 'cancelled', 'missed')),
    cause           text NOT NULL CHECK (cause IN ('schedule', 'catch_up', 'person', 'reaction', 'platform')),
    -- The fence: messages of another attempt have no effect.
    attempt         integer NOT NULL DEFAULT 0,
    max_attempts    integer NOT NULL,
    plan_id         text REFERENCES plans,
    server_id       text NOT NULL REFERENCES servers,
    database_id     text REFERENCES databases,
    database_name   text,
    backup_id       text,
    restore_plan_id text,
    method          text NOT NULL,
    level           text,
    repository_id   text NOT NULL,
    -- Of the current attempt of a backup; of the backup that is read, otherwise.
    snapshot        text,
    deep            boolean NOT NULL DEFAULT false,
    deadline_minutes integer NOT NULL,
    due_at          timestamptz NOT NULL,
    not_before      timestamptz,
    queued_at       timestamptz,
    dispatched_at   timestamptz,
    -- How often the current attempt was put on its queue.
    dispatches      integer NOT NULL DEFAULT 0,
    started_at      timestamptz,
    heartbeat_at    timestamptz,
    finished_at     timestamptz,
    cancel_requested_at timestamptz,
    worker          text,
    progress        jsonb,
    evidence        jsonb,
    reasons         jsonb NOT NULL DEFAULT '[]',
    error           jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CHECK ((state IN ('expected', 'due', 'missed')) OR attempt > 0 OR state = 'cancelled'),
    CHECK ((state IN ('succeeded', 'partial', 'failed', 'cancelled', 'missed')) = (finished_at IS NOT NULL)),
    CHECK (state <> 'running' OR (heartbeat_at IS NOT NULL AND worker IS NOT NULL)),
    -- Green needs its evidence.
    CHECK (state NOT IN ('succeeded', 'partial') OR evidence IS NOT NULL)
  );
  CREATE UNIQUE INDEX runs_ledger ON runs (plan_id, COALESCE(database_id, ''), due_at) WHERE cause = 'schedule';
  CREATE UNIQUE INDEX runs_reaction ON runs (backup_id, level) WHERE cause = 'reaction';
  CREATE INDEX runs_to_do ON runs (state, due_at) WHERE state IN ('expected', 'due', 'queued', 'running');
  CREATE INDEX runs_list ON runs (organization_id, due_at DESC, id DESC);
  CREATE INDEX runs_line ON runs (plan_id, database_id, due_at DESC);
  CREATE INDEX runs_backup ON runs (backup_id) WHERE backup_id IS NOT NULL;

  CREATE TABLE attempts (
    run_id          text NOT NULL REFERENCES runs ON DELETE CASCADE,
    attempt         integer NOT NULL,
    organization_id text NOT NULL,
    snapshot        text,
    worker          text,
    queued_at       timestamptz NOT NULL,
    started_at      timestamptz,
    finished_at     timestamptz,
    error           jsonb,
    PRIMARY KEY (run_id, attempt)
  );

  CREATE TABLE run_logs (
    sequence        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id text NOT NULL,
    run_id          text NOT NULL REFERENCES runs ON DELETE CASCADE,
    attempt         integer NOT NULL,
    at              timestamptz NOT NULL,
    level           text NOT NULL,
    message         text NOT NULL
  );
  CREATE INDEX run_logs_run ON run_logs (run_id, sequence);
`;

const CATALOG = `
  CREATE TABLE backups (
    id              text PRIMARY KEY,
    organization_id text NOT NULL,
    snapshot        text NOT NULL,
    repository_id   text NOT NULL,
    run_id          text NOT NULL UNIQUE REFERENCES runs,
    plan_id         text REFERENCES plans,
    server_id       text NOT NULL REFERENCES servers,
    database_id     text REFERENCES databases,
    database_name   text,
    method          text NOT NULL,
    label           text NOT NULL,
    consistency     text NOT NULL,
    state           text NOT NULL CHECK (state IN ('succeeded', 'partial')),
    proof           text NOT NULL DEFAULT 'stored' CHECK (proof IN ('stored', 'BASIC', 'DATABASE', 'FULL', 'damaged')),
    damaged_by      text CHECK (damaged_by IN ('BASIC', 'DATABASE', 'FULL')),
    proven_at       timestamptz,
    consistent_at   timestamptz NOT NULL,
    objects         integer NOT NULL,
    rows            bigint NOT NULL,
    size_bytes      bigint NOT NULL,
    added_bytes     bigint NOT NULL,
    server_version  text NOT NULL,
    tool            text NOT NULL,
    findings        jsonb NOT NULL,
    retention_reason text NOT NULL DEFAULT 'retention has not looked at it yet',
    -- Wanted away; still listed, no longer restorable, until the storage says that it is gone.
    removal_requested_at timestamptz,
    removal_retry_at timestamptz,
    removal_tries   integer NOT NULL DEFAULT 0,
    removal_error   jsonb,
    removed_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (repository_id, snapshot),
    CHECK ((proof = 'damaged') = (damaged_by IS NOT NULL)),
    CHECK (removed_at IS NULL OR removal_requested_at IS NOT NULL)
  );
  CREATE INDEX backups_list ON backups (organization_id, id DESC);
  CREATE INDEX backups_line ON backups (plan_id, database_id, consistent_at DESC) WHERE removed_at IS NULL;
  CREATE INDEX backups_removal ON backups (removal_retry_at) WHERE removal_requested_at IS NOT NULL AND removed_at IS NULL;

  CREATE TABLE restore_plans (
    id              text PRIMARY KEY,
    organization_id text NOT NULL,
    backup_id       text NOT NULL REFERENCES backups,
    server_id       text NOT NULL REFERENCES servers,
    request         jsonb NOT NULL,
    outline         jsonb NOT NULL,
    hash            text NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    run_id          text
  );
`;
