import { enableRowSecurity } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Collections of repositories as runs; removals that can be undone until a collection took the backup out of the trash. */
export class CollectAndUndo1764300000000 implements MigrationInterface {
  readonly name = 'CollectAndUndo1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE runs
        ALTER COLUMN server_id DROP NOT NULL,
        ALTER COLUMN method DROP NOT NULL,
        DROP CONSTRAINT runs_type_check,
        ADD CONSTRAINT runs_type CHECK (type IN ('backup', 'verification', 'restore', 'collection')),
        ADD CONSTRAINT runs_server CHECK (type = 'collection' OR (server_id IS NOT NULL AND method IS NOT NULL));
      CREATE UNIQUE INDEX runs_collection_ledger ON runs (repository_id, occurs_at) WHERE cause = 'schedule' AND type = 'collection';
      CREATE UNIQUE INDEX runs_collection_at_once ON runs (repository_id) WHERE type = 'collection' AND state IN ('due', 'queued', 'running');

      CREATE TABLE collection_policies (
        repository_id   text PRIMARY KEY,
        organization_id text NOT NULL,
        -- null = only when somebody says so.
        cron            text,
        time_zone       text NOT NULL,
        -- So long a removed backup can be brought back.
        undo_days       integer NOT NULL CHECK (undo_days > 0),
        pool            text NOT NULL DEFAULT 'default',
        planned_until   timestamptz NOT NULL,
        replan          boolean NOT NULL DEFAULT true
      );

      ALTER TABLE backups
        ADD COLUMN undo_requested_at timestamptz,
        ADD COLUMN undo_by text,
        ADD COLUMN purged_at timestamptz,
        ADD CONSTRAINT backups_purged CHECK (purged_at IS NULL OR removed_at IS NOT NULL),
        ADD CONSTRAINT backups_undo CHECK (undo_requested_at IS NULL OR (removed_at IS NOT NULL AND purged_at IS NULL AND undo_by IS NOT NULL));
      CREATE INDEX backups_trash ON backups (organization_id, removed_at DESC, id DESC) WHERE removed_at IS NOT NULL AND purged_at IS NULL;
      CREATE INDEX backups_undo_retry ON backups (removal_retry_at) WHERE undo_requested_at IS NOT NULL;

      -- The owner obeys row security, too. Planning writes down a collection for each repository of a plan.
      ALTER TABLE plans NO FORCE ROW LEVEL SECURITY;
      UPDATE plans SET replan = true WHERE deleted_at IS NULL;
      ALTER TABLE plans FORCE ROW LEVEL SECURITY;
    `);
    await runner.query(enableRowSecurity('scheduler', 'collection_policies'));
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
