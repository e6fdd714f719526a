import { enableRowSecurity } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class SecondFactors1764420000000 implements MigrationInterface {
  readonly name = 'SecondFactors1764420000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE organizations
        ADD COLUMN second_factor_required boolean NOT NULL DEFAULT false,
        ADD COLUMN sign_on_counts_as_second_factor boolean NOT NULL DEFAULT false;

      -- What a session stands on. Those that exist were begun by a password, long ago.
      ALTER TABLE sessions
        ADD COLUMN method text NOT NULL DEFAULT 'password' CHECK (method IN ('set-up', 'password', 'passkey', 'sign-on', 'device')),
        ADD COLUMN second_factor boolean NOT NULL DEFAULT false,
        ADD COLUMN proven_at timestamptz NOT NULL DEFAULT '-infinity';

      -- The first proof was right; the second is due.
      CREATE TABLE login_challenges (
        hash            bytea PRIMARY KEY,
        organization_id text NOT NULL REFERENCES organizations,
        user_id         text NOT NULL REFERENCES users ON DELETE CASCADE,
        method          text NOT NULL,
        tries           integer NOT NULL DEFAULT 0,
        created_at      timestamptz NOT NULL DEFAULT now(),
        expires_at      timestamptz NOT NULL,
        used_at         timestamptz
      );
      CREATE INDEX login_challenges_expires_at ON login_challenges (expires_at);

      CREATE TABLE totp_factors (
        user_id         text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
        sealed_secret   text NOT NULL,
        -- The time step of the last code that was taken: neither it nor an earlier one is taken again.
        last_step       bigint,
        created_at      timestamptz NOT NULL DEFAULT now(),
        confirmed_at    timestamptz
      );

      CREATE TABLE recovery_codes (
        hash            bytea PRIMARY KEY,
        user_id         text NOT NULL REFERENCES users ON DELETE CASCADE,
        created_at      timestamptz NOT NULL DEFAULT now(),
        used_at         timestamptz
      );
      CREATE INDEX recovery_codes_user ON recovery_codes (user_id);

      CREATE TABLE passkeys (
        id              text PRIMARY KEY,
        credential_id   text NOT NULL UNIQUE,
        user_id         text NOT NULL REFERENCES users ON DELETE CASCADE,
        name            text NOT NULL,
        public_key      bytea NOT NULL,
        counter         bigint NOT NULL,
        transports      text[] NOT NULL,
        backed_up       boolean NOT NULL,
        created_at      timestamptz NOT NULL DEFAULT now(),
        used_at         timestamptz
      );
      CREATE INDEX passkeys_user ON passkeys (user_id);

      -- Of the platform, not of a tenant: who logs in by a passkey is nobody yet.
      CREATE TABLE passkey_challenges (
        hash            bytea PRIMARY KEY,
        purpose         text NOT NULL CHECK (purpose IN ('register', 'log-in', 'second-factor')),
        user_id         text,
        expires_at      timestamptz NOT NULL
      );
      CREATE INDEX passkey_challenges_expires_at ON passkey_challenges (expires_at);

      -- Of the platform: it belongs to an organization only when somebody approves it.
      CREATE TABLE device_logins (
        device_hash     bytea PRIMARY KEY,
        user_code_hash  bytea NOT NULL UNIQUE,
        client          text NOT NULL,
        address         text NOT NULL,
        state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'denied', 'delivered')),
        organization_id text REFERENCES organizations,
        user_id         text REFERENCES users ON DELETE CASCADE,
        approving_session text REFERENCES sessions ON DELETE CASCADE,
        interval_seconds integer NOT NULL,
        polled_at       timestamptz,
        created_at      timestamptz NOT NULL DEFAULT now(),
        expires_at      timestamptz NOT NULL,
        CHECK ((state IN ('approved', 'delivered')) = (user_id IS NOT NULL AND organization_id IS NOT NULL))
      );
      CREATE INDEX device_logins_expires_at ON device_logins (expires_at);

      CREATE TABLE sign_on_providers (
        id              text PRIMARY KEY,
        organization_id text NOT NULL REFERENCES organizations,
        name            text NOT NULL,
        issuer          text NOT NULL,
        client_id       text NOT NULL,
        sealed_secret   text,
        scopes          text[] NOT NULL,
        group_claim     text NOT NULL,
        roles           jsonb NOT NULL,
        otherwise       text CHECK (otherwise IN ('admin', 'operator', 'viewer', 'auditor')),
        email_domains   text[] NOT NULL,
        creates_users   boolean NOT NULL,
        enabled         boolean NOT NULL DEFAULT true,
        created_at      timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX sign_on_providers_organization ON sign_on_providers (organization_id, id);

      -- Who a user is at a provider: one of them there, and one of us here.
      CREATE TABLE sign_on_identities (
        provider_id     text NOT NULL REFERENCES sign_on_providers ON DELETE CASCADE,
        subject         text NOT NULL,
        organization_id text NOT NULL REFERENCES organizations,
        user_id         text NOT NULL REFERENCES users ON DELETE CASCADE,
        created_at      timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (provider_id, subject),
        UNIQUE (provider_id, user_id)
      );

      -- A browser that was sent to a provider and is expected back.
      CREATE TABLE sign_on_attempts (
        state_hash      bytea PRIMARY KEY,
        browser_hash    bytea NOT NULL,
        provider_id     text NOT NULL REFERENCES sign_on_providers ON DELETE CASCADE,
        organization_id text NOT NULL REFERENCES organizations,
        sealed          text NOT NULL,
        expires_at      timestamptz NOT NULL
      );
      CREATE INDEX sign_on_attempts_expires_at ON sign_on_attempts (expires_at);
    `);
    for (const table of ['login_challenges', 'sign_on_providers', 'sign_on_identities', 'sign_on_attempts'])
      await runner.query(enableRowSecurity('auth', table));
    // A person has their factors in each of their organizations; so these are seen as the person is.
    for (const table of ['totp_factors', 'recovery_codes', 'passkeys'])
      await runner.query(`
        ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE ${table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY member_isolation ON ${table}
          USING (EXISTS (SELECT FROM memberships m WHERE m.user_id = ${table}.user_id AND m.organization_id = NULLIF(current_setting('app.organization_id', true), ''))
                 OR current_user = 'rahat_auth_system');
      `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
