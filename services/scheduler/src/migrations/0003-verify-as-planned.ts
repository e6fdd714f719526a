import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Sampled and scheduled verification; the plan's own questions, as they stood when a run was made. */
export class VerifyAsPlanned1764220000000 implements MigrationInterface {
  readonly name = 'VerifyAsPlanned1764220000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE plans
        ADD COLUMN verify_every jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN verify_schedules jsonb NOT NULL DEFAULT '[]',
        ADD COLUMN assertions jsonb NOT NULL DEFAULT '[]';
      ALTER TABLE runs ADD COLUMN assertions jsonb NOT NULL DEFAULT '[]';
      CREATE UNIQUE INDEX runs_verification_ledger ON runs (plan_id, server_id, COALESCE(database_id, ''), level, occurs_at)
        WHERE cause = 'schedule' AND type = 'verification';
      -- The newest of a line, and how many came since one of them.
      CREATE INDEX backups_by_line ON backups (plan_id, server_id, database_id, id DESC);
    `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
