import { RahatError, type PostgresqlConnection } from '@rahat/contracts';

/** A login that the server refused (SQLSTATE class 28), with what may be the matter. */
export function refusedLogin(
  connection: PostgresqlConnection,
  { code, message }: { code: string; message: string },
  cause: unknown,
): RahatError {
  const { host, port, user, authentication } = connection;
  const what = authentication ? 'the token' : 'the login';
  return new RahatError('source_authentication_failed', `PostgreSQL at ${host}:${port} refused ${what} of '${user}': ${message}`, {
    hint:
      refusalHint(connection, message) ??
      (code === '28000' ? 'Allow this user and address in pg_hba.conf, and check the user name.' : undefined),
    cause,
  });
}

/** Amazon says nothing but `PAM authentication failed`, whatever is missing. */
export function refusalHint({ authentication, user, host }: PostgresqlConnection, message: string): string | undefined {
  const role = `"${user.replaceAll('"', '""')}"`;
  if (authentication)
    return [
      `On the server: GRANT rds_iam TO ${role};`,
      'At Amazon: IAM authentication is enabled for the server, and a policy of the credentials allows rds-db:connect for this user of it.',
      `The token was made for ${host}, which must be the name that Amazon gave the server, no alias of it; and the worker's clock must be right.`,
    ].join(' ');
  if (/PAM authentication failed/.test(message))
    return `On Amazon RDS and Aurora a member of rds_iam is let in by tokens alone: save the server with that authentication (--aws-iam), or REVOKE rds_iam FROM ${role};`;
  return undefined;
}
