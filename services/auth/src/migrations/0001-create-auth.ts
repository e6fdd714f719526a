import { enableRowSecurity, messagingTables } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateAuth1763900000000 implements MigrationInterface {
  readonly name = 'CreateAuth1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(messagingTables('auth'));
    await runner.query(`
      CREATE TABLE organizations (
        organization_id text PRIMARY KEY,
        name            text NOT NULL,
        created_at      timestamptz NOT NULL DEFAULT now()
      );

      CREATE TABLE users (
        id              text PRIMARY KEY,
        organization_id text NOT NULL REFERENCES organizations,
        email           text NOT NULL,
        name            text NOT NULL,
        password_hash   text NOT NULL,
        created_at      timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX users_email ON users (lower(email));

      CREATE TABLE memberships (
        organization_id text NOT NULL REFERENCES organizations,
        user_id         text NOT NULL REFERENCES users,
        role            text NOT NULL CHECK (role IN ('owner', 'admin', 'operator', 'viewer', 'auditor')),
        created_at      timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (organization_id, user_id)
      );

      -- A session is one log-in: its browser cookie and the whole family of its refresh tokens.
      CREATE TABLE sessions (
        id              text PRIMARY KEY,
        organization_id text NOT NULL REFERENCES organizations,
        user_id         text NOT NULL REFERENCES users,
        cookie_hash     bytea NOT NULL UNIQUE,
        address         text NOT NULL,
        created_at      timestamptz NOT NULL DEFAULT now(),
        seen_at         timestamptz NOT NULL DEFAULT now(),
        expires_at      timestamptz NOT NULL,
        revoked_at      timestamptz,
        revoked_because text
      );

      CREATE TABLE refresh_tokens (
        hash            bytea PRIMARY KEY,
        organization_id text NOT NULL REFERENCES organizations,
        session_id      text NOT NULL REFERENCES sessions,
        created_at      timestamptz NOT NULL DEFAULT now(),
        used_at         timestamptz
      );
      CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

      CREATE TABLE api_keys (
        id              text PRIMARY KEY,
        organization_id text NOT NULL REFERENCES organizations,
        name            text NOT NULL,
        secret_hash     bytea NOT NULL,
        scopes          text[] NOT NULL,
        created_by      text NOT NULL REFERENCES users,
        created_at      timestamptz NOT NULL DEFAULT now(),
        expires_at      timestamptz,
        used_at         timestamptz,
        used_from       text,
        revoked_at      timestamptz
      );

      -- Of the platform, not of a tenant: reached only as system.
      CREATE TABLE signing_keys (
        kid             text PRIMARY KEY,
        public_jwk      jsonb NOT NULL,
        sealed_private  text NOT NULL,
        created_at      timestamptz NOT NULL DEFAULT now(),
        signs_until     timestamptz NOT NULL,
        verifies_until  timestamptz NOT NULL
      );
      CREATE TABLE setup_tokens (
        hash            bytea PRIMARY KEY,
        created_at      timestamptz NOT NULL DEFAULT now(),
        expires_at      timestamptz NOT NULL,
        used_at         timestamptz
      );
      CREATE TABLE login_failures (
        subject         text PRIMARY KEY,
        failures        integer NOT NULL,
        failed_at       timestamptz NOT NULL,
        blocked_until   timestamptz NOT NULL
      );
    `);
    for (const table of ['organizations', 'users', 'memberships', 'sessions', 'refresh_tokens', 'api_keys']) {
      await runner.query(enableRowSecurity('auth', table));
    }
  }

  async down(): Promise<void> {
    throw new Error('The first migration of auth is not undone; restore the metadata database instead.');
  }
}
