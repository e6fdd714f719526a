import { GetObjectLockConfigurationCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { isStatus, s3Error } from './s3-errors.js';

/** Capitals are outside of the alphabet of blobs: no list shows it, no blob can take its place. */
const PROBE_NAME = 'RAHAT-PROBE';
const PROBE_BODY = Buffer.from('Rahat Backup asks by this object whether the storage honours If-None-Match.\n');

/**
 * Whether the server keeps `If-None-Match: *`. The object stays, so that later openings are refused by a server that does, and
 * change nothing. Who may not write needs no answer.
 */
export async function probeConditionalPut(client: S3Client, Bucket: string, root: string, signal: AbortSignal): Promise<boolean> {
  const probe = { Bucket, Key: root + PROBE_NAME, Body: PROBE_BODY, ContentLength: PROBE_BODY.length, IfNoneMatch: '*' } as const;
  // The first one may make the object; a second one that succeeds as well was not looked at.
  for (let round = 0; round < 2; round++) {
    try {
      await client.send(new PutObjectCommand({ ...probe, ChecksumAlgorithm: 'CRC32' }), { abortSignal: signal });
    } catch (error) {
      if (isStatus(error, 501)) return false;
      const { code } = s3Error(error, { action: 'probe', place: Bucket });
      if (code === 'blob_exists') return true;
      if (code === 'storage_permission_denied' || code === 'storage_full') return false;
      throw error;
    }
  }
  return false;
}

/** A bucket without it, a server that doesn't know the question and a key that may not ask all mean no. */
export async function hasObjectLock(client: S3Client, Bucket: string, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await client.send(new GetObjectLockConfigurationCommand({ Bucket }), { abortSignal: signal });
    return answer.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled';
  } catch (error) {
    if (isStatus(error, 400, 403, 404, 405, 501)) return false;
    throw error;
  }
}
