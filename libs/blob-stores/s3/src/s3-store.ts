import { addAbortSignal, type Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
  type GetObjectCommandOutput,
} from '@aws-sdk/client-s3';
import { assertBlobName, assertBlobPrefix, isBlobName, throwIfAborted } from '@rahat/blob-store-port';
import type { BlobEntry, BlobStat, BlobStore, BlobStoreCapabilities, ByteRange, CallOptions, PutOptions } from '@rahat/blob-store-port';
import { RahatError, type S3Connection } from '@rahat/contracts';
import { clientConfig, S3_LIMITS, type S3Limits } from './s3-config.js';
import { isMissing, s3Error } from './s3-errors.js';
import { hasObjectLock, probeConditionalPut } from './s3-probe.js';
import { extendRetention, removeEveryVersion } from './s3-retention.js';
import { putInOne, putInParts, type ObjectHead } from './s3-upload.js';

/** Amazon's limit of a single put. A conditional put of any size is a single one: it is what the probe has tried. */
const LARGEST_SINGLE_PUT_BYTES = 5 * 1024 ** 3;
/** A connection alone carries less than most networks do. */
const PUTS_AT_ONCE = 4;

/**
 * Blobs under `prefix` of a bucket, or of a part of one. Opening proves key, region and bucket, and finds out what the server
 * can: conditional puts by trying one, object lock by asking the bucket.
 * @throws RahatError `storage_login_refused`, `storage_not_found`, `storage_unreachable`, `storage_clock_differs`
 */
export async function openS3Store(connection: S3Connection, prefix = '', limits: S3Limits = S3_LIMITS): Promise<BlobStore> {
  if (prefix) assertBlobName(prefix);
  const root = [connection.prefix, prefix].filter((part) => part).join('/');
  const client = new S3Client(clientConfig(connection, limits));
  const place = { bucket: connection.bucket, root: root === '' ? '' : `${root}/`, url: `s3://${connection.bucket}${root && `/${root}`}` };
  const signal = AbortSignal.timeout(limits.callMs);
  try {
    const conditionalPut = await probeConditionalPut(client, connection.bucket, place.root, signal);
    const objectLock = await hasObjectLock(client, connection.bucket, signal);
    return new S3Store(client, connection, place, limits, { conditionalPut, objectLock });
  } catch (error) {
    client.destroy();
    throw s3Error(error, { action: 'open', place: `${place.url}${connection.endpoint ? ` at ${connection.endpoint}` : ''}` });
  }
}

interface Place {
  bucket: string;
  /** Of every key: '' or ends with a slash. */
  root: string;
  url: string;
}

class S3Store implements BlobStore {
  readonly capabilities: BlobStoreCapabilities;
  readonly description: string;

  constructor(
    private readonly client: S3Client,
    private readonly connection: S3Connection,
    private readonly place: Place,
    private readonly limits: S3Limits,
    found: Pick<BlobStoreCapabilities, 'conditionalPut' | 'objectLock'>,
  ) {
    this.description = place.url;
    this.capabilities = {
      ...found,
      listLagMs: connection.listLagSeconds * 1000,
      serverTime: true,
      rangedRead: true,
      maxObjectSizeBytes: LARGEST_SINGLE_PUT_BYTES,
      putsAtOnce: PUTS_AT_ONCE,
    };
  }

  async put(name: string, body: Uint8Array, { ifAbsent = false, lockUntil, signal }: PutOptions = {}): Promise<void> {
    assertBlobName(name);
    if (lockUntil) this.assertObjectLock();
    const { bucket, root } = this.place;
    const { storageClass, encryption, lockMode } = this.connection;
    const head: ObjectHead = {
      Bucket: bucket,
      Key: root + name,
      StorageClass: storageClass as ObjectHead['StorageClass'],
      ServerSideEncryption: encryption?.mode,
      SSEKMSKeyId: encryption?.mode === 'aws:kms' ? encryption.keyId : undefined,
      ...(lockUntil ? { ObjectLockMode: lockMode, ObjectLockRetainUntilDate: lockUntil } : {}),
      // Where retention applies Amazon demands a checksum of its own kinds.
      ChecksumAlgorithm: this.capabilities.objectLock ? 'CRC32' : undefined,
    };
    if (ifAbsent || body.length <= this.limits.singlePutBytes) {
      await this.call('write', name, this.limits.transferMs, signal, (within) => putInOne(this.client, head, body, ifAbsent, within));
    } else {
      const deadlineMs = this.limits.transferMs * Math.ceil(body.length / this.limits.partBytes);
      await this.call('write', name, deadlineMs, signal, (within) => putInParts(this.client, head, body, this.limits, within));
    }
  }

  async get(name: string, range?: ByteRange, { signal }: CallOptions = {}): Promise<Buffer> {
    assertBlobName(name);
    if (range?.length === 0) return this.emptyRange(name, range.offset, signal);
    return this.call('read', name, this.limits.transferMs, signal, async (within) => {
      const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
      const answer = await this.client.send(new GetObjectCommand({ ...this.object(name), Range }), { abortSignal: within });
      return readContent(answer, range, this.url(name), within);
    });
  }

  async stat(name: string, { signal }: CallOptions = {}): Promise<BlobStat | undefined> {
    assertBlobName(name);
    return this.call('look at', name, this.limits.callMs, signal, async (within) => {
      try {
        const head = await this.client.send(new HeadObjectCommand(this.object(name)), { abortSignal: within });
        const stat = entryStat(head.ContentLength, head.LastModified, this.url(name));
        return head.ObjectLockRetainUntilDate === undefined ? stat : { ...stat, lockedUntil: head.ObjectLockRetainUntilDate };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    });
  }

  async *list(prefix: string, { signal }: CallOptions = {}): AsyncIterable<BlobEntry> {
    assertBlobPrefix(prefix);
    const { bucket, root } = this.place;
    let last = '';
    for (let ContinuationToken: string | undefined, more = true; more;) {
      const query = { Bucket: bucket, Prefix: root + prefix, MaxKeys: this.limits.pageSize, ContinuationToken };
      const page = await this.call('list', prefix, this.limits.callMs, signal, (within) =>
        this.client.send(new ListObjectsV2Command(query), { abortSignal: within }),
      );
      for (const { Key = '', Size, LastModified } of page.Contents ?? []) {
        const name = Key.slice(root.length);
        if (!isBlobName(name)) continue;
        // A server that forgets the order would hide names from whoever goes on by it.
        if (name <= last) throw outOfOrder(this.url(prefix), last, name);
        last = name;
        yield { name, ...entryStat(Size, LastModified, this.url(name)) };
      }
      ContinuationToken = page.NextContinuationToken;
      more = page.IsTruncated === true;
      if (more && ContinuationToken === undefined) throw cutShort(this.url(prefix));
    }
  }

  /** In a bucket with object lock every version goes: else each removal would only hide the bytes, and cost for ever. */
  async remove(name: string, { signal }: CallOptions = {}): Promise<void> {
    assertBlobName(name);
    await this.call('remove', name, this.limits.callMs, signal, async (within) => {
      if (this.capabilities.objectLock) await removeEveryVersion(this.client, this.object(name), this.url(name), within);
      else await this.client.send(new DeleteObjectCommand(this.object(name)), { abortSignal: within });
    });
  }

  async extendLock(name: string, until: Date, { signal }: CallOptions = {}): Promise<void> {
    assertBlobName(name);
    this.assertObjectLock();
    await this.call('lock', name, this.limits.callMs, signal, (within) =>
      extendRetention(this.client, this.object(name), { Mode: this.connection.lockMode, RetainUntilDate: until }, within),
    );
  }

  /** Nothing to read, but the blob must be there and reach so far. */
  private async emptyRange(name: string, offset: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const found = await this.stat(name, { signal });
    if (!found) throw new RahatError('blob_not_found', `Could not read ${this.url(name)}: it is not there`);
    if (offset > found.sizeBytes) throw tooShort(this.url(name), { offset, length: 0 }, found.sizeBytes);
    return Buffer.alloc(0);
  }

  private async call<T>(
    action: string,
    name: string,
    deadlineMs: number,
    signal: AbortSignal | undefined,
    send: (within: AbortSignal) => Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal);
    const deadline = AbortSignal.timeout(deadlineMs);
    try {
      return await send(signal ? AbortSignal.any([signal, deadline]) : deadline);
    } catch (error) {
      throwIfAborted(signal);
      if (deadline.aborted) {
        throw new RahatError('storage_unreachable', `Could not ${action} ${this.url(name)}: it took longer than ${deadlineMs / 1000} s`);
      }
      throw s3Error(error, { action, place: this.url(name) });
    }
  }

  private assertObjectLock(): void {
    if (!this.capabilities.objectLock) throw new RahatError('invalid_input', `The bucket of ${this.description} has no object lock.`);
  }

  private object(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.place.bucket, Key: this.place.root + name };
  }

  private url(name: string): string {
    return `s3://${this.place.bucket}/${this.place.root}${name}`;
  }
}

async function readContent(
  { Body, ContentLength, ContentRange }: GetObjectCommandOutput,
  range: ByteRange | undefined,
  url: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const body = addAbortSignal(signal, Body as Readable);
  const length = range?.length ?? ContentLength;
  if (range && ContentLength !== range.length) {
    body.destroy();
    if (ContentRange === undefined) {
      throw new RahatError('storage_unreachable', `Could not read a part of ${url}: the storage ignores ranges`, { retryable: false });
    }
    throw tooShort(url, range, Number(ContentRange.split('/')[1]));
  }
  if (length === undefined) throw new RahatError('storage_unreachable', `Could not read ${url}: the storage does not tell its length`);
  const content = Buffer.allocUnsafe(length);
  let received = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    if (received + piece.length <= length) content.set(piece, received);
    received += piece.length;
  }
  if (received !== length) {
    throw new RahatError('storage_unreachable', `Could not read ${url}: ${received} bytes came where ${length} were announced`);
  }
  return content;
}

function entryStat(sizeBytes: number | undefined, modifiedAt: Date | undefined, url: string): BlobStat {
  if (sizeBytes !== undefined && modifiedAt !== undefined) return { sizeBytes, modifiedAt };
  throw new RahatError('storage_unreachable', `The storage tells neither size nor time of ${url}`, { retryable: false });
}

function tooShort(url: string, { offset, length }: ByteRange, sizeBytes: number): RahatError {
  return new RahatError('repository_damaged', `${url} has ${sizeBytes} bytes, too few for ${length} at ${offset}`);
}

function outOfOrder(url: string, before: string, after: string): RahatError {
  return new RahatError('storage_unreachable', `The storage does not list ${url} in order: ${after} came after ${before}`, {
    hint: 'This server does not keep the rules of S3, so nothing that it lists can be relied on.',
    retryable: false,
  });
}

function cutShort(url: string): RahatError {
  return new RahatError('storage_unreachable', `The listing of ${url} broke off: the storage says there is more, but not where to go on`);
}
