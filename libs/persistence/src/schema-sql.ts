import { quoteIdentifier, quoteLiteral, schemaNamesOf } from './schema-names.js';

/**
 * SQL for a migration: closes `table` (which has `organization_id text NOT NULL`) to all but the current organization.
 * FORCE makes the owner obey too; the system role passes by name, because a bypass attribute would need a superuser.
 */
export function enableRowSecurity(schema: string, table: string): string {
  const { systemRole } = schemaNamesOf(schema);
  const name = `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`;
  // After a transaction-local set_config the setting is '' and not null, hence NULLIF.
  const visible = `organization_id = NULLIF(current_setting('app.organization_id', true), '') OR current_user = ${quoteLiteral(systemRole)}`;
  return `
    ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY;
    ALTER TABLE ${name} FORCE ROW LEVEL SECURITY;
    CREATE POLICY organization_isolation ON ${name} USING (${visible}) WITH CHECK (${visible});
  `;
}

/**
 * SQL for a migration, after `enableRowSecurity`: the planner knows who asks. Behind a condition that it can't decide, an index serves
 * only what is leakproof, and neither a search of words nor one of arrays is. The function is called immutable so that it is decided when
 * a query is planned; PostgreSQL plans what depends on row security anew for each role. Queries of the system role that use this name
 * the organization themselves.
 */
export function letSystemRoleSearch(schema: string, tables: readonly string[]): string {
  const { systemRole } = schemaNamesOf(schema);
  const isSystem = `${quoteIdentifier(schema)}.acts_as_system()`;
  const visible = `organization_id = NULLIF(current_setting('app.organization_id', true), '') OR ${isSystem}`;
  return `
    CREATE FUNCTION ${isSystem} RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT current_user = ${quoteLiteral(systemRole)} $$;
    ${tables.map((table) => `ALTER POLICY organization_isolation ON ${quoteIdentifier(schema)}.${quoteIdentifier(table)} USING (${visible}) WITH CHECK (${visible});`).join('\n')}
  `;
}

/** SQL for a service's first migration: its outbox and the ids of the messages it has handled. `json`, because jsonb refuses a NUL inside a text. */
export function messagingTables(schema: string): string {
  const name = quoteIdentifier(schema);
  return `
    CREATE TABLE ${name}.outbox (
      id text PRIMARY KEY,
      sequence bigint GENERATED ALWAYS AS IDENTITY,
      kind text NOT NULL CHECK (kind IN ('command', 'event')),
      queue text,
      name text NOT NULL,
      payload json NOT NULL,
      priority integer NOT NULL,
      delay_ms integer NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL DEFAULT now(),
      CHECK ((kind = 'command') = (queue IS NOT NULL))
    );
    CREATE INDEX outbox_sequence ON ${name}.outbox (sequence);
    CREATE TABLE ${name}.processed_messages (
      consumer text NOT NULL,
      id text NOT NULL,
      processed_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (consumer, id)
    );
    CREATE INDEX processed_messages_processed_at ON ${name}.processed_messages (processed_at);
  `;
}

/** SQL for a later migration: a message stays in the outbox until its consumer has it, because a queue may be lost. */
export function keepSentMessages(schema: string): string {
  const name = `${quoteIdentifier(schema)}.outbox`;
  return `
    -- When to look whether its consumer is done with it; none: it has not been sent.
    ALTER TABLE ${name} ADD COLUMN check_at timestamptz;
    DROP INDEX ${quoteIdentifier(schema)}.outbox_sequence;
    CREATE INDEX outbox_unsent ON ${name} (sequence) WHERE check_at IS NULL;
    CREATE INDEX outbox_check_at ON ${name} (check_at) WHERE check_at IS NOT NULL;
  `;
}
