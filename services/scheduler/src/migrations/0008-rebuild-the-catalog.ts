import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Backups that a rebuild found in their repository; and since when the database itself has forgotten nothing. */
export class RebuildTheCatalog1764320000000 implements MigrationInterface {
  readonly name = 'RebuildTheCatalog1764320000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE runs
        DROP CONSTRAINT runs_type,
        DROP CONSTRAINT runs_server,
        ADD CONSTRAINT runs_type CHECK (type IN ('backup', 'verification', 'restore', 'collection', 'rebuild')),
        ADD CONSTRAINT runs_server CHECK (type IN ('collection', 'rebuild') OR (server_id IS NOT NULL AND method IS NOT NULL)),
        ADD COLUMN dry_run boolean NOT NULL DEFAULT false;
      CREATE UNIQUE INDEX runs_rebuild_at_once ON runs (repository_id) WHERE type = 'rebuild' AND state IN ('due', 'queued', 'running');

      ALTER TABLE attempts
        -- Its worker said itself how it ended.
        ADD COLUMN reported_at timestamptz,
        -- The storage was told to take its snapshot away.
        ADD COLUMN discarded_at timestamptz;
      CREATE INDEX attempts_snapshot ON attempts (snapshot) WHERE snapshot IS NOT NULL;

      ALTER TABLE backups
        -- Of one that was found in its repository, when the ledger doesn't know its run.
        ALTER COLUMN run_id DROP NOT NULL,
        ADD COLUMN found jsonb,
        ADD COLUMN missing_since timestamptz,
        -- The attempt of a rebuild that saw its snapshot last.
        ADD COLUMN seen_by text,
        ADD CONSTRAINT backups_run CHECK (run_id IS NOT NULL OR found IS NOT NULL);

      -- Of the installation: one row. A database that was restored from a copy has forgotten what came after the last beat in it.
      CREATE TABLE memory (
        one             boolean PRIMARY KEY DEFAULT true CHECK (one),
        beat_at         timestamptz NOT NULL,
        forgotten_until timestamptz NOT NULL
      );
    `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
