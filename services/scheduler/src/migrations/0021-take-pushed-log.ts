import { enableRowSecurity, limitToServerGroups, REACHED_SERVERS } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Log that servers push by their archive_command. */
export class TakePushedLog1764650000000 implements MigrationInterface {
  readonly name = 'TakePushedLog1764650000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- With one a server pushes its own log, and does nothing else.
      CREATE TABLE log_push_tokens (
        id              text PRIMARY KEY,
        organization_id text NOT NULL,
        server_id       text NOT NULL REFERENCES servers,
        secret_hash     bytea NOT NULL,
        created_by      jsonb NOT NULL,
        created_at      timestamptz NOT NULL,
        last_used_at    timestamptz,
        revoked_at      timestamptz
      );
      CREATE INDEX log_push_tokens_server ON log_push_tokens (server_id) WHERE revoked_at IS NULL;

      -- Archived history files: the server does not push them again, and they go into the repository with the first log of their timeline.
      CREATE TABLE pushed_histories (
        stream_id       text NOT NULL REFERENCES log_streams,
        organization_id text NOT NULL,
        server_id       text NOT NULL REFERENCES servers,
        timeline        integer NOT NULL,
        content         bytea NOT NULL,
        pushed_at       timestamptz NOT NULL,
        PRIMARY KEY (stream_id, timeline)
      );
      CREATE INDEX pushed_histories_server ON pushed_histories (server_id);

      -- The last segment that was refused and not taken since: its server tries it again and again, and keeps all later log.
      ALTER TABLE log_streams ADD COLUMN push_refused jsonb;
    `);
    for (const table of ['log_push_tokens', 'pushed_histories']) await runner.query(enableRowSecurity('scheduler', table));
    const onReachedServer = { rows: `server_id IN ${REACHED_SERVERS}` };
    await runner.query(limitToServerGroups('scheduler', { log_push_tokens: onReachedServer, pushed_histories: onReachedServer }));
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
