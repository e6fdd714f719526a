import { RahatError, type ErrorCode } from '@rahat/contracts';

/** What was tried, for messages: `write` `s3://bucket/packs/0a/…`. */
export interface Attempt {
  action: string;
  place: string;
}

interface Meaning {
  code: ErrorCode;
  what: string;
  hint?: string;
  retryable?: boolean;
}

const LOGIN: Meaning = { code: 'storage_login_refused', what: 'the key was refused' };
const BUSY: Meaning = { code: 'storage_busy', what: 'the storage asks to slow down' };
const DAMAGED_ON_THE_WAY: Meaning = { code: 'storage_unreachable', what: 'the bytes did not arrive whole' };
const FULL: Meaning = { code: 'storage_full', what: 'no space or quota is left' };
const DENIED: Meaning = {
  code: 'storage_permission_denied',
  what: 'permission denied',
  hint: 'Allow the key s3:ListBucket on the bucket and s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload on its objects.',
};
const OTHER_REGION: Meaning = {
  code: 'storage_unreachable',
  what: 'the bucket lies in another region, or behind another address',
  hint: 'Give the region (and the endpoint) that the bucket was made in.',
  retryable: false,
};
const TLS: Meaning = {
  code: 'storage_unreachable',
  what: "the server's certificate is not trusted",
  hint: 'Give the certificate of its authority (PEM) in the settings, and the host name that the certificate was made for.',
  retryable: false,
};

/** Names of errors as Amazon and its compatibles answer them, and as Node.js reports connections. */
const MEANINGS: Record<string, Meaning> = {
  NoSuchKey: { code: 'blob_not_found', what: 'it is not there' },
  NoSuchVersion: { code: 'blob_not_found', what: 'it is not there' },
  PreconditionFailed: { code: 'blob_exists', what: 'it exists already' },
  // Two conditional puts met; the next try is told which one won.
  ConditionalRequestConflict: BUSY,
  OperationAborted: BUSY,
  NoSuchBucket: {
    code: 'storage_not_found',
    what: 'there is no such bucket',
    hint: 'Create the bucket, or correct its name, region and endpoint.',
  },
  InvalidRange: { code: 'repository_damaged', what: 'it is shorter than expected' },
  InvalidAccessKeyId: LOGIN,
  SignatureDoesNotMatch: LOGIN,
  InvalidToken: LOGIN,
  InvalidClientTokenId: LOGIN,
  ExpiredToken: LOGIN,
  TokenRefreshRequired: LOGIN,
  CredentialsProviderError: {
    code: 'storage_login_refused',
    what: 'no key was found',
    hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give this machine a role.',
  },
  AuthorizationHeaderMalformed: OTHER_REGION,
  PermanentRedirect: OTHER_REGION,
  TemporaryRedirect: OTHER_REGION,
  IllegalLocationConstraintException: OTHER_REGION,
  RequestTimeTooSkewed: { code: 'storage_clock_differs', what: "this machine's clock differs from the storage's by more than it accepts" },
  AccessDenied: DENIED,
  AllAccessDisabled: DENIED,
  AccountProblem: DENIED,
  SlowDown: BUSY,
  Throttling: BUSY,
  ThrottlingException: BUSY,
  TooManyRequests: BUSY,
  ServiceUnavailable: BUSY,
  BadDigest: DAMAGED_ON_THE_WAY,
  InvalidDigest: DAMAGED_ON_THE_WAY,
  XAmzContentSHA256Mismatch: DAMAGED_ON_THE_WAY,
  IncompleteBody: DAMAGED_ON_THE_WAY,
  RequestTimeout: DAMAGED_ON_THE_WAY,
  QuotaExceeded: FULL,
  XMinioStorageFull: FULL,
  EntityTooLarge: { code: 'storage_unreachable', what: 'it is larger than the storage takes', retryable: false },
  ENOTFOUND: { code: 'storage_unreachable', what: 'the host name is not known', hint: 'Check the endpoint and the name resolution.' },
  ECONNREFUSED: {
    code: 'storage_unreachable',
    what: 'nothing answers there',
    hint: 'Is the server running, and are address and port right?',
  },
  CERT_HAS_EXPIRED: { ...TLS, what: "the server's certificate has expired", hint: 'Renew the certificate of the server.' },
  DEPTH_ZERO_SELF_SIGNED_CERT: TLS,
  SELF_SIGNED_CERT_IN_CHAIN: TLS,
  UNABLE_TO_GET_ISSUER_CERT: TLS,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TLS,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TLS,
  ERR_TLS_CERT_ALTNAME_INVALID: TLS,
};

/** What the SDK threw → what the port promises, with the place and the next step. No header of the request comes along: it holds a signature. */
export function s3Error(error: unknown, { action, place }: Attempt): RahatError {
  if (error instanceof RahatError) return error;
  const { code, what, hint, retryable } = meaningOf(error);
  return new RahatError(code, `Could not ${action} ${place}: ${what}`, { hint, retryable, cause: essence(error) });
}

/** Of an answer without content, such as HEAD's, only the status tells. */
export function isMissing(error: unknown): boolean {
  return nameOf(error) !== 'NoSuchBucket' && statusOf(error) === 404;
}

/** What the server answered, whatever it means. */
export function isStatus(error: unknown, ...statuses: number[]): boolean {
  return statuses.includes(statusOf(error) ?? 0);
}

function meaningOf(error: unknown): Meaning {
  const known = Object.hasOwn(MEANINGS, nameOf(error)) ? MEANINGS[nameOf(error)] : undefined;
  if (known) return known;
  const status = statusOf(error);
  const said = `${nameOf(error)}: ${messageOf(error)}`;
  if (status === undefined)
    return { code: 'storage_unreachable', what: said, hint: 'Is the network up, and the storage reachable from this machine?' };
  if (status === 404) return MEANINGS['NoSuchKey']!;
  if (status === 412) return MEANINGS['PreconditionFailed']!;
  if (status === 416) return MEANINGS['InvalidRange']!;
  if (status === 301 || status === 307) return OTHER_REGION;
  if (status === 401) return LOGIN;
  if (status === 403) return { ...DENIED, hint: `${DENIED.hint} A wrong secret or region can look the same.` };
  if (status === 429 || status === 503) return BUSY;
  if (status === 507) return FULL;
  return { code: 'storage_unreachable', what: `the storage answered ${status} (${said})`, retryable: status >= 500 || status === 408 };
}

/** The SDK names an answer that it can't understand `Unknown`; a connection's error has its name as `code`, a wrapped one in its text. */
function nameOf(error: unknown): string {
  const { name, code, Code } = (error ?? {}) as { name?: string; code?: string; Code?: string };
  const inText = /\bE[A-Z]{4,}\b|\b[A-Z]+(_[A-Z]+){2,}\b/.exec(messageOf(error))?.[0];
  return [Code, code, name, inText].find((value) => typeof value === 'string' && value !== 'Error' && value !== 'Unknown') ?? 'no name';
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function essence(error: unknown): Error {
  return new Error(`${nameOf(error)}${statusOf(error) === undefined ? '' : ` (${statusOf(error)})`}: ${messageOf(error)}`);
}
