import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { RahatError } from '@rahat/contracts';
import { isStatus } from './s3-errors.js';

interface ObjectName {
  Bucket: string;
  Key: string;
}

/** Looks first: who may lift a lock in governance mode would shorten it by asking for an earlier time. */
export async function extendRetention(
  client: S3Client,
  object: ObjectName,
  Retention: { Mode: 'GOVERNANCE' | 'COMPLIANCE'; RetainUntilDate: Date },
  signal: AbortSignal,
): Promise<void> {
  const { ObjectLockRetainUntilDate } = await client.send(new HeadObjectCommand(object), { abortSignal: signal });
  if (ObjectLockRetainUntilDate !== undefined && ObjectLockRetainUntilDate >= Retention.RetainUntilDate) return;
  await client.send(new PutObjectRetentionCommand({ ...object, Retention, ChecksumAlgorithm: 'CRC32' }), { abortSignal: signal });
}

/**
 * Oldest first, so that a locked version stops the removal before anything older could come to light.
 * @throws RahatError `storage_locked` with the time until when
 */
export async function removeEveryVersion(client: S3Client, object: ObjectName, url: string, signal: AbortSignal): Promise<void> {
  const versions = await listVersions(client, object, signal);
  for (const VersionId of versions.reverse()) {
    try {
      await client.send(new DeleteObjectCommand({ ...object, VersionId }), { abortSignal: signal });
    } catch (error) {
      if (!isStatus(error, 400, 403)) throw error;
      const lockedUntil = await retentionOf(client, { ...object, VersionId }, signal);
      if (lockedUntil === undefined) throw error;
      throw new RahatError('storage_locked', `Could not remove ${url}: it is locked until ${lockedUntil.toISOString()}`);
    }
  }
}

/** Newest first. Other keys that begin with this one's follow it in the list. */
async function listVersions(client: S3Client, { Bucket, Key }: ObjectName, signal: AbortSignal): Promise<string[]> {
  const ids: { id: string; modifiedAt: number }[] = [];
  let marker: { KeyMarker?: string; VersionIdMarker?: string } = {};
  for (;;) {
    const page = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix: Key, ...marker }), { abortSignal: signal });
    const entries = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])];
    for (const entry of entries) {
      if (entry.Key === Key && entry.VersionId !== undefined)
        ids.push({ id: entry.VersionId, modifiedAt: entry.LastModified?.getTime() ?? 0 });
    }
    const passed = entries.some((entry) => entry.Key !== Key);
    if (!page.IsTruncated || passed) break;
    marker = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
  }
  return ids.sort((left, right) => right.modifiedAt - left.modifiedAt).map(({ id }) => id);
}

async function retentionOf(client: S3Client, object: ObjectName & { VersionId: string }, signal: AbortSignal): Promise<Date | undefined> {
  try {
    const { ObjectLockRetainUntilDate } = await client.send(new HeadObjectCommand(object), { abortSignal: signal });
    return ObjectLockRetainUntilDate;
  } catch (error) {
    // Not to be seen: then the refusal itself is what there is to tell.
    if (isStatus(error, 403, 404, 405)) return undefined;
    throw error;
  }
}
