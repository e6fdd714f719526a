import { rdsToken } from '@rahat/cloud-accounts';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';

/**
 * What lets the user in: the stored password, or a token in its place. A token is made for one connection, right before it: it lives
 * for minutes, and a backup opens connections for hours.
 */
export async function loginPassword(connection: PostgresqlConnection, signal: AbortSignal): Promise<string> {
  const { authentication, password, tls, awsSecretAccessKey } = connection;
  if (!authentication) return password;
  if (tls === 'disable' || tls === 'prefer')
    throw new RahatError('invalid_input', 'A token of Amazon is only sent over TLS, and this connection would do without', {
      hint: 'Set TLS to verify-full with the authority of Amazon, or at least to require.',
    });
  return rdsToken({ ...connection, authentication, secretAccessKey: awsSecretAccessKey }, signal);
}
