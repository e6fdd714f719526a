import { enableRowSecurity, limitToServerGroups, REACHED_SERVERS } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** References to snapshots that providers hold, and whose credentials they are asked with. */
export class KeepManagedSnapshots1764660000000 implements MigrationInterface {
  readonly name = 'KeepManagedSnapshots1764660000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE cloud_accounts (
        server_id       text PRIMARY KEY REFERENCES servers,
        organization_id text NOT NULL,
        -- CloudAccount
        account         jsonb NOT NULL,
        -- Of an access key.
        sealed_secret   text,
        -- Stamped before the question is sent.
        asked_at        timestamptz,
        answered_at     timestamptz,
        -- ManagedRecovery
        recovery        jsonb,
        -- Why the last question was not answered.
        error           jsonb
      );
      CREATE INDEX cloud_accounts_due ON cloud_accounts (asked_at NULLS FIRST);
      CREATE TABLE managed_snapshots (
        -- Sorted by the time of the snapshot.
        id              text PRIMARY KEY,
        organization_id text NOT NULL,
        server_id       text NOT NULL REFERENCES servers,
        reference       text NOT NULL,
        name            text NOT NULL,
        "of"            text NOT NULL CHECK ("of" IN ('instance', 'cluster')),
        origin          text NOT NULL CHECK (origin IN ('automated', 'manual', 'backup-service', 'other')),
        engine          text NOT NULL,
        engine_version  text,
        allocated_gib   integer,
        encrypted       boolean NOT NULL,
        key_id          text,
        status          text NOT NULL,
        created_at      timestamptz,
        first_seen_at   timestamptz NOT NULL,
        seen_at         timestamptz NOT NULL,
        gone_at         timestamptz,
        UNIQUE (server_id, reference)
      );
      CREATE INDEX managed_snapshots_list ON managed_snapshots (server_id, id DESC);
    `);
    const rows = `server_id IN ${REACHED_SERVERS}`;
    for (const table of ['cloud_accounts', 'managed_snapshots']) {
      await runner.query(enableRowSecurity('scheduler', table));
      await runner.query(limitToServerGroups('scheduler', { [table]: { rows } }));
    }
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
