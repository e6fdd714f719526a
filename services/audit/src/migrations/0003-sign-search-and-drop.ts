import { enableRowSecurity, handToKeeper, letSystemRoleSearch } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Signed heads and their keys, columns to search by, and a retention that drops only what the policy lets go. */
export class SignSearchAndDrop1764430000000 implements MigrationInterface {
  readonly name = 'SignSearchAndDrop1764430000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statements of [SEARCHED, HEADS, RETENTION, CHAIN]) await runner.query(statements);
    for (const table of ['audit_heads', 'audit_retention']) await runner.query(enableRowSecurity('audit', table));
    await runner.query(letSystemRoleSearch('audit', ['audit_entries']));
    await runner.query(
      handToKeeper('audit', {
        tables: ['audit_entries', 'audit_heads', 'audit_keys'],
        functions: [
          'audit_entries_are_final()',
          'audit_entry_continues_chain()',
          'drop_audit_entries(text, bigint)',
          'entry_text(text, text[])',
          'entry_time(text)',
          'entry_words(text)',
          'acts_as_system()',
        ],
      }),
    );
  }

  async down(): Promise<void> {
    throw new Error('An audit trail is not removed by a migration.');
  }
}

/** Made by the database from the hashed content: what is found can't differ from what is chained. */
const SEARCHED = `
  CREATE FUNCTION entry_text(content text, VARIADIC path text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog AS $$ SELECT content::json #>> path $$;
  CREATE FUNCTION entry_time(content text) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog AS $$ SELECT NULLIF(content::json ->> 'at', '')::timestamptz $$;
  -- As in the scheduler's search: letters and digits make words, and whatever is not ASCII is a letter. A vector has its limit.
  CREATE FUNCTION entry_words(content text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
    SELECT to_tsvector('simple', regexp_replace(left(concat_ws(' ', entry ->> 'action', entry -> 'actor' ->> 'name', entry -> 'actor' ->> 'id',
      entry -> 'target' ->> 'kind', entry -> 'target' ->> 'name', entry -> 'target' ->> 'id', entry ->> 'details'), 20000),
      '[\\u0001-\\u002f\\u003a-\\u0040\\u005b-\\u0060\\u007b-\\u007f]+', ' ', 'g'))
    FROM (SELECT content::json AS entry) AS parsed $$;
  ALTER TABLE audit_entries
    ADD COLUMN at timestamptz GENERATED ALWAYS AS (entry_time(content)) STORED,
    ADD COLUMN action text COLLATE "C" GENERATED ALWAYS AS (entry_text(content, 'action')) STORED,
    ADD COLUMN actor_id text GENERATED ALWAYS AS (entry_text(content, 'actor', 'id')) STORED,
    ADD COLUMN address text GENERATED ALWAYS AS (entry_text(content, 'actor', 'address')) STORED,
    ADD COLUMN target_kind text GENERATED ALWAYS AS (entry_text(content, 'target', 'kind')) STORED,
    ADD COLUMN target_id text GENERATED ALWAYS AS (entry_text(content, 'target', 'id')) STORED,
    ADD COLUMN request_id text GENERATED ALWAYS AS (entry_text(content, 'request')) STORED,
    ADD COLUMN search tsvector GENERATED ALWAYS AS (entry_words(content)) STORED;
  CREATE INDEX audit_entries_at ON audit_entries (organization_id, at);
  CREATE INDEX audit_entries_action ON audit_entries (organization_id, action, sequence);
  CREATE INDEX audit_entries_actor ON audit_entries (organization_id, actor_id, sequence);
  CREATE INDEX audit_entries_address ON audit_entries (organization_id, address, sequence);
  CREATE INDEX audit_entries_target_id ON audit_entries (organization_id, target_id, sequence);
  CREATE INDEX audit_entries_target_kind ON audit_entries (organization_id, target_kind, sequence);
  CREATE INDEX audit_entries_request ON audit_entries (organization_id, request_id) WHERE request_id IS NOT NULL;
  CREATE INDEX audit_entries_recorded_at ON audit_entries (organization_id, recorded_at);
  -- A list of what is not yet in the index would be read through by each search.
  CREATE INDEX audit_entries_search ON audit_entries USING gin (search) WITH (fastupdate = off);
`;

const HEADS = `
  CREATE TABLE audit_heads (
    organization_id text NOT NULL,
    sequence        bigint NOT NULL CHECK (sequence >= 1),
    signed          text NOT NULL,
    signed_at       timestamptz NOT NULL,
    PRIMARY KEY (organization_id, sequence)
  );
  CREATE TRIGGER audit_heads_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_heads
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_are_final();

  -- Of the installation, not of an organization. Public halves stay for as long as there is something that they signed.
  CREATE TABLE audit_keys (
    kid            text PRIMARY KEY,
    public_jwk     json NOT NULL,
    sealed_private text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
  );
  CREATE TRIGGER audit_keys_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_keys
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_are_final();
`;

const RETENTION = `
  CREATE TABLE audit_retention (
    organization_id text PRIMARY KEY,
    -- None: for ever.
    keep_days       integer CHECK (keep_days >= 90),
    changed_at      timestamptz NOT NULL DEFAULT now()
  );
  GRANT SELECT ON audit_retention TO rahat_audit_keeper;

  -- The only way to remove an entry. It works as the keeper, of the organization that the transaction is in, and asks for the entry that
  -- carries the mark of this cut.
  CREATE FUNCTION drop_audit_entries(of_organization text, through bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    days integer;
    dropped bigint;
  BEGIN
    SELECT keep_days INTO days FROM audit.audit_retention WHERE organization_id = of_organization;
    IF days IS NULL OR days < 90 THEN
      RAISE EXCEPTION 'the audit trail of % is kept for ever', of_organization USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT FROM audit.audit_entries WHERE organization_id = of_organization AND sequence <= through
      AND recorded_at >= clock_timestamp() - make_interval(days => days)) THEN
      RAISE EXCEPTION 'entries of the audit trail that are younger than % days are kept', days USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT EXISTS (SELECT FROM audit.audit_entries AS mark JOIN audit.audit_entries AS last
      ON last.organization_id = mark.organization_id AND last.sequence = through
      WHERE mark.organization_id = of_organization AND mark.sequence > through AND mark.action = 'audit.entries_dropped'
        AND mark.content::json #>> '{details,through}' = through::text AND mark.content::json #>> '{details,hash}' = last.hash) THEN
      RAISE EXCEPTION 'no entry of the audit trail marks a cut at %', through USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM audit.audit_entries WHERE organization_id = of_organization AND sequence <= through;
    GET DIAGNOSTICS dropped = ROW_COUNT;
    RETURN dropped;
  END $$;
  REVOKE ALL ON FUNCTION drop_audit_entries(text, bigint) FROM PUBLIC;
`;

const CHAIN = `
  CREATE OR REPLACE FUNCTION audit_entries_are_final() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
  BEGIN
    -- Nobody is the keeper but the function that drops what the policy lets go.
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit_entries' AND current_user = 'rahat_audit_keeper' THEN
      RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
  END $$;

  -- The database itself accepts only the next link of the chain, and says when it came: retention goes by that.
  CREATE OR REPLACE FUNCTION audit_entry_continues_chain() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
  DECLARE
    last record;
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('rahat.audit.' || NEW.organization_id, 0));
    SELECT sequence, hash INTO last FROM audit.audit_entries WHERE organization_id = NEW.organization_id ORDER BY sequence DESC LIMIT 1;
    IF NEW.sequence <> coalesce(last.sequence, 0) + 1
      OR NEW.hash <> encode(sha256(convert_to(NEW.content, 'UTF8')), 'hex')
      OR NEW.content::json ->> 'previousHash' IS DISTINCT FROM coalesce(last.hash, repeat('0', 64))
      OR NEW.content::json ->> 'organization' IS DISTINCT FROM NEW.organization_id
    THEN
      RAISE EXCEPTION 'entry % does not continue the audit trail', NEW.sequence USING ERRCODE = 'check_violation';
    END IF;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
  END $$;
`;
