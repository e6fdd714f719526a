import { enableRowSecurity, messagingTables } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateStorage1763900000000 implements MigrationInterface {
  readonly name = 'CreateStorage1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(messagingTables('storage'));
    await runner.query(`
      CREATE TABLE storages (
        id              text PRIMARY KEY,
        organization_id text NOT NULL,
        name            text NOT NULL,
        settings        jsonb NOT NULL,
        created_at      timestamptz NOT NULL DEFAULT now(),
        UNIQUE (organization_id, name)
      );

      CREATE TABLE repositories (
        id                     text PRIMARY KEY,
        organization_id        text NOT NULL,
        storage_id             text NOT NULL REFERENCES storages,
        name                   text NOT NULL,
        prefix                 text NOT NULL,
        repository_id          text NOT NULL,
        sealed_master_key      text NOT NULL,
        sealed_identity_secret text NOT NULL,
        created_at             timestamptz NOT NULL DEFAULT now(),
        UNIQUE (organization_id, name),
        UNIQUE (storage_id, prefix)
      );
    `);
    for (const table of ['storages', 'repositories']) await runner.query(enableRowSecurity('storage', table));
  }

  async down(): Promise<void> {
    throw new Error('The first migration of storage is not undone; restore the metadata database instead.');
  }
}
