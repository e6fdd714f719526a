import { setTimeout as delay } from 'node:timers/promises';
import { RahatError, regionOfRdsHost, type AwsIamAuthentication } from '@rahat/contracts';

export interface TokenLogin {
  /** The server's own name at Amazon, also where a tunnel leads to it. */
  host: string;
  port: number;
  user: string;
  authentication: AwsIamAuthentication;
  /** Of the access key, where `authentication` names one. */
  secretAccessKey: string | undefined;
}

/** Credentials that are looked for are asked of the machine's own address at Amazon, or of its token service. */
const CREDENTIALS_LIMIT_MS = 20_000;

/**
 * What lets a user of Amazon RDS or Aurora in instead of a password: a request that is signed and never sent as one. It is good for
 * fifteen minutes. Nothing is asked of Amazon for it but credentials, where they are not stored.
 */
export async function rdsToken(login: TokenLogin, signal: AbortSignal): Promise<string> {
  const { host, port, user, authentication } = login;
  const region = authentication.region ?? regionOfRdsHost(host);
  if (region === undefined)
    throw new RahatError('invalid_input', `The name ${host} tells no region of Amazon`, {
      hint: 'Save the server with the region of its database instance, or under the name that Amazon gave it.',
    });
  // Loaded by those alone who use it.
  const { Signer } = await import('@aws-sdk/rds-signer');
  // Amazon compares the name in lower case.
  const signer = new Signer({ hostname: host.toLowerCase(), port, username: user, region, credentials: credentialsOf(login) });
  return within(signer.getAuthToken(), signal);
}

/** Undefined = the signer looks for them: environment, profile, role of the machine. */
function credentialsOf({ authentication: { credentials }, secretAccessKey }: TokenLogin) {
  if (credentials.source === 'environment') return undefined;
  const { accessKeyId } = credentials;
  if (secretAccessKey === undefined)
    throw new RahatError('invalid_input', `There is no secret of the access key ${accessKeyId}`, { hint: 'Save it beside the address.' });
  return { accessKeyId, secretAccessKey };
}

async function within(token: Promise<string>, signal: AbortSignal): Promise<string> {
  const answered = new AbortController();
  const late = delay(CREDENTIALS_LIMIT_MS, undefined, { signal: AbortSignal.any([signal, answered.signal]), ref: false }).then(() => {
    throw new RahatError('source_unreachable', `The worker found no credentials of Amazon within ${CREDENTIALS_LIMIT_MS / 1000} s`, {
      hint: 'Check the role of its machine, or save the server with an access key.',
    });
  });
  // Whichever comes second is heard by nobody.
  for (const one of [token, late]) one.catch(() => undefined);
  try {
    return await Promise.race([token, late]);
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof RahatError ? error : noCredentials(error);
  } finally {
    answered.abort();
  }
}

function noCredentials(cause: unknown): RahatError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new RahatError('source_authentication_failed', `No token of Amazon could be made: ${message}`, {
    cause,
    // Credentials are only looked for, and who gives them may be away for a moment: the chain says the same of both.
    retryable: true,
    hint: 'Give the worker a role, a profile or AWS_ variables with credentials that have not expired, or save the server with an access key.',
  });
}
