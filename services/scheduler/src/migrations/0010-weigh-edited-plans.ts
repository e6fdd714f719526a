import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What an edited plan would remove of all its backups is weighed before it removes the first. */
export class WeighEditedPlans1764340000000 implements MigrationInterface {
  readonly name = 'WeighEditedPlans1764340000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE plans
        ADD COLUMN retention_weighed boolean NOT NULL DEFAULT true,
        -- It would remove too many, and waits for somebody to confirm that.
        ADD COLUMN retention_brake jsonb;
    `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
