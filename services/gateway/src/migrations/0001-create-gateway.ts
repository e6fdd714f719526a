import { enableRowSecurity } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateGateway1764280000000 implements MigrationInterface {
  readonly name = 'CreateGateway1764280000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Requests with an Idempotency-Key. json, because jsonb refuses a NUL inside a text.
      CREATE TABLE kept_answers (
        organization_id text NOT NULL,
        id              text NOT NULL,
        fingerprint     text NOT NULL,
        -- Of who makes the request now.
        token           uuid NOT NULL,
        settled         boolean NOT NULL,
        answer          json,
        expires_at      timestamptz NOT NULL,
        PRIMARY KEY (organization_id, id)
      );
      CREATE INDEX kept_answers_expires_at ON kept_answers (expires_at);

      -- Of the platform, not of a tenant: reached only as system. Nothing is lost with it but a minute's counts.
      CREATE UNLOGGED TABLE request_counts (
        key     text PRIMARY KEY,
        used    integer NOT NULL,
        ends_at timestamptz NOT NULL
      );
      CREATE INDEX request_counts_ends_at ON request_counts (ends_at);
    `);
    await runner.query(enableRowSecurity('gateway', 'kept_answers'));
  }

  async down(): Promise<void> {
    throw new Error('The first migration of gateway is not undone; restore the metadata database instead.');
  }
}
