import { enableRowSecurity, limitToServerGroups, REACHED_SERVERS } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What restores into live databases left there, until it is undone, dropped, or its time is over. */
export class KeepSafetyCopies1764640000000 implements MigrationInterface {
  readonly name = 'KeepSafetyCopies1764640000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE safety_copies (
        -- Of the restore.
        run_id          text PRIMARY KEY REFERENCES runs,
        organization_id text NOT NULL,
        server_id       text NOT NULL REFERENCES servers,
        database_name   text NOT NULL,
        schema_name     text NOT NULL,
        -- null: the worker was lost, and whether the restore was committed isn't known.
        rows            bigint,
        restored_at     timestamptz NOT NULL,
        expires_at      timestamptz NOT NULL,
        -- When the scheduler drops it, or tries so again.
        drop_at         timestamptz NOT NULL,
        drop_tries      integer NOT NULL DEFAULT 0,
        -- The last one that was to undo or to drop it.
        ending_run_id   text REFERENCES runs,
        ended_at        timestamptz,
        ended_as        text CHECK (ended_as IN ('undone', 'dropped', 'expired', 'left')),
        CHECK ((ended_at IS NULL) = (ended_as IS NULL))
      );
      CREATE INDEX safety_copies_list ON safety_copies (organization_id, restored_at DESC) WHERE ended_at IS NULL;
      CREATE INDEX safety_copies_due ON safety_copies (drop_at) WHERE ended_at IS NULL;
    `);
    await runner.query(enableRowSecurity('scheduler', 'safety_copies'));
    await runner.query(limitToServerGroups('scheduler', { safety_copies: { rows: `server_id IN ${REACHED_SERVERS}` } }));
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
