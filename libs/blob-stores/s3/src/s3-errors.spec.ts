import { describe, expect, it } from '@jest/globals';
import { s3Error } from './s3-errors.js';

/** As the SDK throws them. */
const answered = (name: string, httpStatusCode: number) =>
  Object.assign(new Error(`said ${name}`), { name, $metadata: { httpStatusCode } });
const connection = (code: string) => Object.assign(new Error(`connect ${code}`), { code });
const attempt = { action: 'write', place: 's3://backups/packs/0a' };

describe('errors of S3', () => {
  it.each([
    [answered('NoSuchKey', 404), 'blob_not_found', false],
    [answered('PreconditionFailed', 412), 'blob_exists', false],
    [answered('ConditionalRequestConflict', 409), 'storage_busy', true],
    [answered('NoSuchBucket', 404), 'storage_not_found', false],
    [answered('InvalidRange', 416), 'repository_damaged', false],
    [answered('SignatureDoesNotMatch', 403), 'storage_login_refused', false],
    [answered('InvalidAccessKeyId', 403), 'storage_login_refused', false],
    [answered('ExpiredToken', 400), 'storage_login_refused', false],
    [answered('AuthorizationHeaderMalformed', 400), 'storage_unreachable', false],
    [answered('RequestTimeTooSkewed', 403), 'storage_clock_differs', true],
    [answered('AccessDenied', 403), 'storage_permission_denied', false],
    [answered('Unknown', 403), 'storage_permission_denied', false],
    [answered('SlowDown', 503), 'storage_busy', true],
    [answered('Unknown', 429), 'storage_busy', true],
    [answered('InternalError', 500), 'storage_unreachable', true],
    [answered('Unknown', 502), 'storage_unreachable', true],
    [answered('InvalidRequest', 400), 'storage_unreachable', false],
    [answered('BadDigest', 400), 'storage_unreachable', true],
    [answered('XMinioStorageFull', 507), 'storage_full', true],
    [connection('ECONNRESET'), 'storage_unreachable', true],
    [connection('ECONNREFUSED'), 'storage_unreachable', true],
    [connection('SELF_SIGNED_CERT_IN_CHAIN'), 'storage_unreachable', false],
    [Object.assign(new Error('no key'), { name: 'CredentialsProviderError' }), 'storage_login_refused', false],
  ] as const)('%s means %s', (error, code, retryable) => {
    const ours = s3Error(error, attempt);
    expect(ours).toMatchObject({ code, retryable });
    expect(ours.message).toMatch(/^Could not write s3:\/\/backups\/packs\/0a: /);
  });

  it('say what to do about the usual mistakes of a set-up', () => {
    const hint = (error: Error) => s3Error(error, attempt).hint;
    expect(hint(answered('NoSuchBucket', 404))).toContain('Create the bucket');
    expect(hint(answered('AccessDenied', 403))).toContain('s3:PutObject');
    expect(hint(answered('SignatureDoesNotMatch', 403))).toContain('secret');
    expect(hint(answered('PermanentRedirect', 301))).toContain('region');
    expect(hint(answered('RequestTimeTooSkewed', 403))).toContain('clock');
    expect(hint(connection('UNABLE_TO_VERIFY_LEAF_SIGNATURE'))).toContain('PEM');
  });

  it('carry nothing of the request that failed', () => {
    const error = Object.assign(answered('SlowDown', 503), { $response: { headers: { authorization: 'AWS4-HMAC-SHA256 Signature=abc' } } });
    const { cause } = s3Error(error, attempt);
    expect(JSON.stringify([Object.entries(cause as object), String(cause)])).toBe(
      JSON.stringify([[], 'Error: SlowDown (503): said SlowDown']),
    );
  });
});
