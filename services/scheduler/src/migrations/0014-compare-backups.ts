import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Comparisons are runs: of a backup with another one, or with its database as it is. */
export class CompareBackups1764460000000 implements MigrationInterface {
  readonly name = 'CompareBackups1764460000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE runs
        DROP CONSTRAINT runs_type,
        ADD CONSTRAINT runs_type CHECK (type IN ('backup', 'verification', 'restore', 'collection', 'rebuild', 'comparison')),
        ADD COLUMN compared_with jsonb,
        ADD CONSTRAINT runs_compared_with CHECK ((type = 'comparison') = (compared_with IS NOT NULL));
    `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
