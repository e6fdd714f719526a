import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A rebuild of a repository that another installation made takes what was there when it was attached; attempts whose snapshot may stand unheard of are looked for; collections may rewrite packs. */
export class RebuildAttached1764450100000 implements MigrationInterface {
  readonly name = 'RebuildAttached1764450100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE runs ADD COLUMN attached_at timestamptz`);
    await runner.query(`ALTER TABLE attempts ADD COLUMN left_at timestamptz`);
    await runner.query(`CREATE INDEX attempts_left ON attempts (left_at) WHERE left_at IS NOT NULL`);
    await runner.query(`ALTER TABLE collection_policies ADD COLUMN rewrite boolean NOT NULL DEFAULT false`);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
