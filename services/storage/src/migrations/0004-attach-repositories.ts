import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Repositories that another installation made, and that each is here once. */
export class AttachRepositories1764450000000 implements MigrationInterface {
  readonly name = 'AttachRepositories1764450000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE repositories ADD COLUMN attached_at timestamptz;
      CREATE UNIQUE INDEX repositories_identity ON repositories (repository_id);
    `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
