import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Backups that retention let go and that something else keeps, and room for the reasons that it writes beside each. */
export class MarkDueBackups1764450000000 implements MigrationInterface {
  readonly name = 'MarkDueBackups1764450000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE backups ADD COLUMN due_since timestamptz;
      -- A reason that changes then stays on its page, and no index hears of it.
      ALTER TABLE backups SET (fillfactor = 85);
    `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
