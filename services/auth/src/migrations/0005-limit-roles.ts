import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Roles within server groups. */
export class LimitRoles1764470000000 implements MigrationInterface {
  readonly name = 'LimitRoles1764470000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const table of ['memberships', 'invitations'])
      await runner.query(`
        ALTER TABLE ${table}
          -- null: the whole organization. The groups are the scheduler's; one that it doesn't have reaches nothing.
          ADD COLUMN server_groups text[],
          ADD CONSTRAINT ${table}_limit
            CHECK (server_groups IS NULL OR (cardinality(server_groups) > 0 AND role IN ('admin', 'operator', 'viewer')));
      `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
