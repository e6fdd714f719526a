import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Servers that ask for a certificate of ours, or lie behind an SSH host, are reached by private keys. */
export class KeepConnectionKeys1764600000000 implements MigrationInterface {
  readonly name = 'KeepConnectionKeys1764600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE servers ADD COLUMN sealed_keys text, ADD COLUMN key_names text[] NOT NULL DEFAULT '{}'`);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
