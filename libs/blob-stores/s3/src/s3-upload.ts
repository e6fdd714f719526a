import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
  type CreateMultipartUploadCommandInput,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { S3Limits } from './s3-config.js';

/** Everything of a put but its content. */
export type ObjectHead = Pick<
  PutObjectCommandInput & CreateMultipartUploadCommandInput,
  | 'Bucket'
  | 'Key'
  | 'StorageClass'
  | 'ServerSideEncryption'
  | 'SSEKMSKeyId'
  | 'ObjectLockMode'
  | 'ObjectLockRetainUntilDate'
  | 'ChecksumAlgorithm'
>;

const ABORT_DEADLINE_MS = 20_000;

export async function putInOne(
  client: S3Client,
  head: ObjectHead,
  body: Uint8Array,
  ifAbsent: boolean,
  signal: AbortSignal,
): Promise<void> {
  await client.send(new PutObjectCommand({ ...head, Body: body, ContentLength: body.length, IfNoneMatch: ifAbsent ? '*' : undefined }), {
    abortSignal: signal,
  });
}

/** The blob appears when the upload is completed. What was sent of a failed one is given up, so that it costs nothing. */
export async function putInParts(
  client: S3Client,
  head: ObjectHead,
  body: Uint8Array,
  limits: S3Limits,
  signal: AbortSignal,
): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(head), { abortSignal: signal });
  const upload = { Bucket: head.Bucket, Key: head.Key, UploadId };
  try {
    const Parts = await sendParts(body, limits, signal, async (part, PartNumber, partSignal) => {
      const { ETag, ...sums } = await client.send(
        new UploadPartCommand({ ...upload, PartNumber, Body: part, ContentLength: part.length, ChecksumAlgorithm: head.ChecksumAlgorithm }),
        { abortSignal: partSignal },
      );
      return { ETag, PartNumber, ChecksumCRC32: sums.ChecksumCRC32 };
    });
    await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }), { abortSignal: signal });
  } catch (error) {
    // The caller may have given up; clearing away has a deadline of its own. The upload's error is the one that matters.
    await client
      .send(new AbortMultipartUploadCommand(upload), { abortSignal: AbortSignal.timeout(ABORT_DEADLINE_MS) })
      .catch(() => undefined);
    throw error;
  }
}

/** The first part that fails stops the others. */
async function sendParts(
  body: Uint8Array,
  { partBytes, partsAtOnce, transferMs }: S3Limits,
  signal: AbortSignal,
  send: (part: Uint8Array, number: number, signal: AbortSignal) => Promise<CompletedPart>,
): Promise<CompletedPart[]> {
  const parts: CompletedPart[] = [];
  const count = Math.ceil(body.length / partBytes);
  const failure = new AbortController();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const part = body.subarray(index * partBytes, (index + 1) * partBytes);
      const partSignal = AbortSignal.any([signal, failure.signal, AbortSignal.timeout(transferMs)]);
      parts[index] = await send(part, index + 1, partSignal);
    }
  };
  const lanes = Array.from({ length: Math.min(partsAtOnce, count) }, () =>
    lane().catch((error: unknown) => {
      failure.abort(error);
      throw error;
    }),
  );
  const outcomes = await Promise.allSettled(lanes);
  // The first failure is the cause; the lanes that it stopped only say that they were stopped.
  if (failure.signal.aborted && outcomes.some(({ status }) => status === 'rejected')) throw failure.signal.reason;
  return parts;
}
