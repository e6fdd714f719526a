import { enableRowSecurity, messagingTables } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateAudit1763900000000 implements MigrationInterface {
  readonly name = 'CreateAudit1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(messagingTables('audit'));
    await runner.query(`
      CREATE TABLE audit_entries (
        organization_id text NOT NULL,
        sequence        bigint NOT NULL CHECK (sequence >= 1),
        content         text NOT NULL,
        hash            text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
        recorded_at     timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (organization_id, sequence)
      );

      CREATE FUNCTION audit_entries_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'the audit trail is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
      END $$;
      CREATE TRIGGER audit_entries_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
        FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_are_final();

      -- The database itself accepts only the next link of the chain.
      CREATE FUNCTION audit_entry_continues_chain() RETURNS trigger LANGUAGE plpgsql AS $$
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
        RETURN NEW;
      END $$;
      CREATE TRIGGER audit_entry_continues_chain BEFORE INSERT ON audit_entries
        FOR EACH ROW EXECUTE FUNCTION audit_entry_continues_chain();
    `);
    await runner.query(enableRowSecurity('audit', 'audit_entries'));
    await runner.query(`
      REVOKE ALL ON audit_entries FROM PUBLIC, CURRENT_USER, rahat_audit_system;
      GRANT SELECT, INSERT ON audit_entries TO CURRENT_USER, rahat_audit_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('An audit trail is not removed by a migration.');
  }
}
