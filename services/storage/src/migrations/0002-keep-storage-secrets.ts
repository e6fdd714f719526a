import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The secret half of a storage's key, sealed; absent where a storage needs none. */
export class KeepStorageSecrets1764000000000 implements MigrationInterface {
  readonly name = 'KeepStorageSecrets1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE storages ADD COLUMN sealed_secret text`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE storages DROP COLUMN sealed_secret`);
  }
}
