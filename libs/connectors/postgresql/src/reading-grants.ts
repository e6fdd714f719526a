import { quoteIdentifier } from './errors.js';

/** Since this major one membership reads every table, present and to come. */
export const READ_ALL_DATA_SINCE = 14;

/** Where grants are needed in one database, names as they are. */
export interface ReadingScope {
  schemas: readonly string[];
  /** Who makes tables there: what they make later is readable too. */
  owners: readonly string[];
}

/**
 * Reading everything in one database, object by object: what PostgreSQL 13 needs, which has no pg_read_all_data, and a server whose
 * administrator may not grant that.
 */
export function readingGrants(role: string, { schemas, owners }: ReadingScope): string[] {
  const grantee = quoteIdentifier(role);
  return [
    ...schemas
      .map(quoteIdentifier)
      .flatMap((schema) => [
        `GRANT USAGE ON SCHEMA ${schema} TO ${grantee};`,
        `GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${grantee};`,
        `GRANT SELECT ON ALL SEQUENCES IN SCHEMA ${schema} TO ${grantee};`,
      ]),
    ...owners.flatMap((owner) => futureGrants(owner, grantee)),
  ];
}

function futureGrants(owner: string, grantee: string): string[] {
  const defaults = `ALTER DEFAULT PRIVILEGES FOR ROLE ${quoteIdentifier(owner)} GRANT`;
  return [
    `${defaults} USAGE ON SCHEMAS TO ${grantee};`,
    `${defaults} SELECT ON TABLES TO ${grantee};`,
    `${defaults} SELECT ON SEQUENCES TO ${grantee};`,
  ];
}
