import type pg from 'pg';
import type { PostgresqlConnection } from '@rahat/contracts';
import { quoteIdentifier } from '../errors.js';
import { type CurableFinding, cured } from './cured.js';

/** Whether the user is a member of the role whose members Amazon lets in by tokens; null where there is no such role. */
export async function readTokenMembership(client: pg.Client): Promise<boolean | null> {
  const { rows } = await client.query<{ member: boolean }>(
    `SELECT pg_has_role(current_user, oid, 'MEMBER') AS member FROM pg_roles WHERE rolname = 'rds_iam'`,
  );
  return rows[0]?.member ?? null;
}

/** A proxy of Amazon takes a token, too, and goes on with a password of its own. */
export function tokenFindings(
  { authentication, user }: Pick<PostgresqlConnection, 'authentication' | 'user'>,
  member: boolean | null,
): CurableFinding[] {
  if (!authentication || member !== false) return [];
  return [
    cured(
      {
        code: 'token_membership_missing',
        severity: 'warning',
        message: 'The user is no member of rds_iam: it was let in by a token here, which the server itself would refuse.',
      },
      { sql: `GRANT rds_iam TO ${quoteIdentifier(user)};`, scope: 'server' },
    ),
  ];
}

/** For people; undefined where nothing was ever said of tokens. */
export function tokenFact({ authentication, user }: PostgresqlConnection, member: boolean | null): string | undefined {
  if (authentication) {
    const signer =
      authentication.credentials.source === 'access-key' ? authentication.credentials.accessKeyId : "the worker's own credentials";
    return `by tokens of Amazon, signed by ${signer}${member === null ? '' : member ? '; a member of rds_iam' : '; no member of rds_iam'}`;
  }
  if (member === null) return undefined;
  // As a fact and in no script: it is the end of the password.
  return member
    ? 'by password, although a member of rds_iam'
    : `by password; to let it in by tokens, and by a password no more: GRANT rds_iam TO ${quoteIdentifier(user)};`;
}
