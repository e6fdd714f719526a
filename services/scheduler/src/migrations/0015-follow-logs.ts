import { enableRowSecurity } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Continuous logs: a stream for each server and repository, what is committed of it, and where base backups lie in it. */
export class FollowLogs1764590000000 implements MigrationInterface {
  readonly name = 'FollowLogs1764590000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(STREAMS);
    await runner.query(LOG);
    await runner.query(RUNS);
    await runner.query(BACKUPS);
    for (const table of ['log_streams', 'log_ranges', 'log_branches', 'log_gaps'])
      await runner.query(enableRowSecurity('scheduler', table));
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}

const STREAMS = `
  ALTER TABLE plans ADD COLUMN continuous_log jsonb;
  CREATE INDEX plans_following ON plans (id) WHERE continuous_log IS NOT NULL AND deleted_at IS NULL;
  -- Log streams that a worker follows beside its runs.
  ALTER TABLE workers ADD COLUMN followers integer NOT NULL DEFAULT 0;

  CREATE TABLE log_streams (
    id              text PRIMARY KEY,
    organization_id text NOT NULL,
    server_id       text NOT NULL REFERENCES servers,
    repository_id   text NOT NULL,
    plan_id         text REFERENCES plans,
    slot            text NOT NULL,
    -- The plan's, as its follower was told them.
    settings        jsonb NOT NULL,
    -- A stopped one has no slot any more; its log stays as long as backups need it.
    state           text NOT NULL CHECK (state IN ('active', 'stopping', 'stopped')),
    stop_reason     text,
    -- Of the database server: a stream is of one system only.
    identity        text,
    -- Where the next follower goes on; null = the log begins anew, where the slot does.
    timeline        integer,
    committed_lsn   pg_lsn,
    -- As the follower told it last.
    server_lsn      pg_lsn,
    seen_at         timestamptz,
    -- Since when the source has had bytes that are not committed; null = all was committed when it was seen.
    behind_since    timestamptz,
    last_commit_at  timestamptz,
    -- No follower is started before.
    start_at        timestamptz NOT NULL,
    failures        integer NOT NULL DEFAULT 0,
    -- When it is looked at whether a base backup is needed, and log is not.
    base_look_at    timestamptz NOT NULL,
    log_look_at     timestamptz NOT NULL,
    -- Of a stopping one: when its slot is dropped.
    drop_at         timestamptz,
    drop_tries      integer NOT NULL DEFAULT 0,
    drop_error      jsonb,
    created_at      timestamptz NOT NULL,
    stopped_at      timestamptz,
    CHECK ((timeline IS NULL) = (committed_lsn IS NULL)),
    CHECK ((state = 'stopping') = (drop_at IS NOT NULL))
  );
  CREATE UNIQUE INDEX log_streams_active ON log_streams (server_id, repository_id) WHERE state = 'active';
  CREATE INDEX log_streams_server ON log_streams (server_id);
  CREATE INDEX log_streams_unstopped ON log_streams (state) WHERE state <> 'stopped';
`;

const LOG = `
  -- Adjacent ones are one row.
  CREATE TABLE log_ranges (
    stream_id       text NOT NULL REFERENCES log_streams,
    organization_id text NOT NULL,
    server_id       text NOT NULL REFERENCES servers,
    timeline        integer NOT NULL,
    start_lsn       pg_lsn NOT NULL,
    end_lsn         pg_lsn NOT NULL,
    first_commit_at timestamptz,
    last_commit_at  timestamptz,
    -- Up to here the storage was told to remove it: it counts as gone.
    cut_lsn         pg_lsn,
    cut_retry_at    timestamptz,
    cut_error       jsonb,
    PRIMARY KEY (stream_id, timeline, start_lsn),
    CHECK (start_lsn < end_lsn),
    CHECK (cut_lsn IS NULL OR (cut_lsn > start_lsn AND cut_lsn <= end_lsn))
  );
  CREATE INDEX log_ranges_server ON log_ranges (server_id);
  CREATE INDEX log_ranges_cut ON log_ranges (cut_retry_at) WHERE cut_lsn IS NOT NULL;

  CREATE TABLE log_branches (
    stream_id       text NOT NULL REFERENCES log_streams,
    organization_id text NOT NULL,
    server_id       text NOT NULL REFERENCES servers,
    timeline        integer NOT NULL,
    parent          integer NOT NULL,
    at_lsn          pg_lsn NOT NULL,
    PRIMARY KEY (stream_id, timeline),
    CHECK (parent < timeline)
  );
  CREATE INDEX log_branches_server ON log_branches (server_id);

  CREATE TABLE log_gaps (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id       text NOT NULL REFERENCES log_streams,
    organization_id text NOT NULL,
    server_id       text NOT NULL REFERENCES servers,
    reason          text NOT NULL,
    message         text NOT NULL,
    timeline        integer,
    start_lsn       pg_lsn,
    end_lsn         pg_lsn,
    start_at        timestamptz,
    end_at          timestamptz,
    found_at        timestamptz NOT NULL,
    run_id          text
  );
  CREATE INDEX log_gaps_server ON log_gaps (server_id);
  CREATE INDEX log_gaps_stream ON log_gaps (stream_id);
`;

const RUNS = `
  ALTER TABLE runs
    ADD COLUMN stream_id text REFERENCES log_streams,
    ADD COLUMN recovery jsonb,
    DROP CONSTRAINT runs_type,
    ADD CONSTRAINT runs_type CHECK (type IN ('backup', 'verification', 'restore', 'collection', 'rebuild', 'comparison', 'follow')),
    ADD CONSTRAINT runs_stream CHECK ((type = 'follow') = (stream_id IS NOT NULL));
  CREATE UNIQUE INDEX runs_follow_at_once ON runs (stream_id) WHERE type = 'follow' AND state IN ('due', 'queued', 'running');
  CREATE INDEX runs_stream_newest ON runs (stream_id, due_at) WHERE stream_id IS NOT NULL;
`;

const BACKUPS = `
  ALTER TABLE backups
    ADD COLUMN log_timeline integer,
    ADD COLUMN log_start pg_lsn,
    ADD COLUMN log_end pg_lsn,
    -- Of the database server that it is of, as it told it.
    ADD COLUMN system_identity text;
  UPDATE backups SET log_timeline = (evidence -> 'positions' ->> 'timeline')::integer, log_start = (evidence -> 'positions' ->> 'startLsn')::pg_lsn,
      log_end = (evidence -> 'positions' ->> 'endLsn')::pg_lsn, system_identity = evidence -> 'positions' ->> 'systemIdentifier'
    FROM runs WHERE runs.id = backups.run_id AND backups.method = 'postgresql.physical' AND runs.evidence -> 'positions' ? 'startLsn';
`;
