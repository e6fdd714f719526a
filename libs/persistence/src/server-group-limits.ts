import { quoteIdentifier, quoteLiteral, schemaNamesOf } from './schema-names.js';

/** For conditions: the ids of the servers that the tenant reaches. Looked up in a table that is made once for each query, however many rows it asks about. */
export const REACHED_SERVERS = `(SELECT unnest(NULLIF(current_setting('app.server_ids', true), '')::text[]))`;
/** The same of its groups. */
export const REACHED_GROUPS = `(SELECT unnest(NULLIF(current_setting('app.server_groups', true), '')::text[]))`;

/** What a tenant who is limited to server groups has of a table. */
export type TableLimit =
  /** The rows that meet a condition, to read and to write. */
  | { rows: string }
  /** All of the organization's, to read alone. */
  | 'read'
  /** What it is told by the way, such as messages: never read, but for whether an id is there. */
  | 'append';

/**
 * SQL for a migration: opens tables to the role of tenants who are limited to server groups. A table that is named nowhere is closed to
 * them, because that role has no right of its own to anything.
 */
export function limitToServerGroups(schema: string, limits: Readonly<Record<string, TableLimit>>): string {
  const { restrictedRole } = schemaNamesOf(schema);
  const role = quoteIdentifier(restrictedRole);
  const statements = Object.entries(limits).map(([table, limit]) => {
    const name = `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`;
    if (limit === 'read') return `GRANT SELECT ON ${name} TO ${role};`;
    if (limit === 'append') return `GRANT INSERT, SELECT (id) ON ${name} TO ${role};`;
    return `
        GRANT SELECT, INSERT, UPDATE, DELETE ON ${name} TO ${role};
        CREATE POLICY server_groups ON ${name} AS RESTRICTIVE TO ${role} USING (${limit.rows}) WITH CHECK (${limit.rows});
      `;
  });
  return [refuseInheritance(restrictedRole), ...statements].join('\n');
}

/** Its policies would hold for the service itself, which would find next to nothing. */
function refuseInheritance(restrictedRole: string): string {
  return `
    DO $$ BEGIN
      IF pg_has_role(current_user, ${quoteLiteral(restrictedRole)}, 'USAGE') THEN
        RAISE EXCEPTION '% inherits from ${restrictedRole}', current_user
          USING HINT = format('ALTER ROLE %I NOINHERIT, revoke the membership and grant it anew.', current_user);
      END IF;
    END $$;`;
}
