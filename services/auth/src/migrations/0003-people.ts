import { enableRowSecurity } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class People1764410000000 implements MigrationInterface {
  readonly name = 'People1764410000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- A person is one user however many organizations they belong to; organization_id is the one that a log-in enters.
      -- Who left the last one keeps a row for what refers to it, without e-mail and password.
      ALTER TABLE users ALTER COLUMN email DROP NOT NULL, ALTER COLUMN password_hash DROP NOT NULL;
      CREATE INDEX memberships_user ON memberships (user_id);

      ALTER TABLE sessions ADD COLUMN user_agent text;
      CREATE INDEX sessions_user ON sessions (user_id);

      ALTER TABLE api_keys ADD COLUMN requests_per_minute integer CHECK (requests_per_minute > 0);
      CREATE INDEX api_keys_organization ON api_keys (organization_id, id);
      CREATE INDEX api_keys_created_by ON api_keys (created_by);

      CREATE TABLE invitations (
        id              text PRIMARY KEY,
        organization_id text NOT NULL REFERENCES organizations,
        email           text NOT NULL,
        role            text NOT NULL CHECK (role IN ('owner', 'admin', 'operator', 'viewer', 'auditor')),
        token_hash      bytea NOT NULL UNIQUE,
        invited_by      text NOT NULL REFERENCES users,
        created_at      timestamptz NOT NULL DEFAULT now(),
        expires_at      timestamptz NOT NULL,
        accepted_at     timestamptz,
        revoked_at      timestamptz,
        CHECK (accepted_at IS NULL OR revoked_at IS NULL)
      );
      CREATE INDEX invitations_organization ON invitations (organization_id, id);
      CREATE UNIQUE INDEX invitations_open ON invitations (organization_id, lower(email)) WHERE accepted_at IS NULL AND revoked_at IS NULL;

      -- Without an organization: made on the console of the machine.
      CREATE TABLE password_resets (
        id              text PRIMARY KEY,
        organization_id text REFERENCES organizations,
        user_id         text NOT NULL REFERENCES users,
        token_hash      bytea NOT NULL UNIQUE,
        created_at      timestamptz NOT NULL DEFAULT now(),
        expires_at      timestamptz NOT NULL,
        used_at         timestamptz
      );
      CREATE INDEX password_resets_user ON password_resets (user_id);
    `);
    for (const table of ['invitations', 'password_resets']) await runner.query(enableRowSecurity('auth', table));
    // A user is seen by the organizations they belong to. Memberships have a policy of their own, so this sees the current one's only.
    await runner.query(`
      DROP POLICY organization_isolation ON users;
      CREATE POLICY organization_isolation ON users
        USING (EXISTS (SELECT FROM memberships m WHERE m.user_id = users.id AND m.organization_id = NULLIF(current_setting('app.organization_id', true), ''))
               OR current_user = 'rahat_auth_system')
        WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '') OR current_user = 'rahat_auth_system');
    `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
