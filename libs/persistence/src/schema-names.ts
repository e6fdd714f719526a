import { RahatError } from '@rahat/contracts';

/** Everything of one service in PostgreSQL is named after it: its schema and its roles. */
export interface SchemaNames {
  schema: string;
  /** Logs in and owns the schema. */
  role: string;
  /** Sees all organizations; can't log in, is entered by `SET LOCAL ROLE`. */
  systemRole: string;
  /** Sees of an organization what lies within server groups; can't log in, is entered by `SET LOCAL ROLE`. */
  restrictedRole: string;
  /** Owns what the service may only add to; can't log in, and nobody is a member of it. */
  keeperRole: string;
}

export function schemaNamesOf(service: string): SchemaNames {
  const schema = service.replaceAll('-', '_');
  // Names go into SQL as identifiers and 63 bytes is PostgreSQL's limit for one.
  if (!/^[a-z][a-z0-9_]{0,40}$/.test(schema)) throw new RahatError('internal', `"${service}" cannot be the name of a service`);
  return {
    schema,
    role: `rahat_${schema}`,
    systemRole: `rahat_${schema}_system`,
    restrictedRole: `rahat_${schema}_restricted`,
    keeperRole: `rahat_${schema}_keeper`,
  };
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteLiteral(value: string): string {
  if (value.includes('\0')) throw new RahatError('internal', 'A text with a NUL cannot go into SQL');
  const escaped = value.replaceAll("'", "''").replaceAll('\\', '\\\\');
  return value.includes('\\') ? `E'${escaped}'` : `'${escaped}'`;
}
