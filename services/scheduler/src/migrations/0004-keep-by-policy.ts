import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Ages, periods and a limit of size beside the two counts; holds. */
export class KeepByPolicy1764230000000 implements MigrationInterface {
  readonly name = 'KeepByPolicy1764230000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE plans
        ADD COLUMN keep_days integer CHECK (keep_days > 0),
        ADD COLUMN keep_hourly integer NOT NULL DEFAULT 0 CHECK (keep_hourly >= 0),
        ADD COLUMN keep_daily integer NOT NULL DEFAULT 0 CHECK (keep_daily >= 0),
        ADD COLUMN keep_weekly integer NOT NULL DEFAULT 0 CHECK (keep_weekly >= 0),
        ADD COLUMN keep_monthly integer NOT NULL DEFAULT 0 CHECK (keep_monthly >= 0),
        ADD COLUMN keep_yearly integer NOT NULL DEFAULT 0 CHECK (keep_yearly >= 0),
        ADD COLUMN max_bytes bigint CHECK (max_bytes > 0);
      -- Who said that it must stay, when and why.
      ALTER TABLE backups ADD COLUMN hold jsonb CHECK (hold IS NULL OR removal_requested_at IS NULL);
    `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
