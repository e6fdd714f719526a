import type { ConnectionKeys, PostgresqlAddress } from '@rahat/contracts';

type SecretField = 'password' | 'awsSecretAccessKey';

/** By which secret a server's document has it log in; undefined where the worker finds what it needs. */
export function serverSecret(spec: Readonly<Record<string, unknown>>): SecretField | undefined {
  const { authentication } = spec['address'] as PostgresqlAddress;
  if (!authentication) return 'password';
  return authentication.credentials.source === 'access-key' ? 'awsSecretAccessKey' : undefined;
}

/** The secret as a request for the server takes it. */
export function secretInRequest(field: SecretField | undefined, secret: string | undefined): { password?: string; keys?: ConnectionKeys } {
  if (field === undefined || secret === undefined) return {};
  return field === 'password' ? { password: secret } : { keys: { awsSecretAccessKey: secret } };
}
