import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Native incremental and differential backups: what each is restored upon, and what an attempt that is under way will be. */
export class RestUponBackups1764630000000 implements MigrationInterface {
  readonly name = 'RestUponBackups1764630000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- In the same repository. By snapshot, not by row: a rebuild finds them in any order.
      ALTER TABLE backups ADD COLUMN parent_snapshot text;
      -- Chosen when the attempt was sent to a worker; until its run ends no retention takes it away.
      ALTER TABLE attempts ADD COLUMN parent_snapshot text;
      CREATE INDEX backups_upon ON backups (repository_id, parent_snapshot) WHERE parent_snapshot IS NOT NULL;
    `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
