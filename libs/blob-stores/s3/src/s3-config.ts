import { rootCertificates } from 'node:tls';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { S3Connection } from '@rahat/contracts';

const MEBIBYTE = 1024 * 1024;

/** How requests are made; only tests give others. */
export interface S3Limits {
  /** Larger blobs go up in parts. A pack is at most 64 MiB, so that packs cost one request each. */
  singlePutBytes: number;
  /** At least 5 MiB, by Amazon's rule. */
  partBytes: number;
  partsAtOnce: number;
  /** Names in one page of a listing; Amazon's maximum is 1,000. */
  pageSize: number;
  connectMs: number;
  /** A connection on which nothing moves for this long is given up. */
  idleMs: number;
  /** Deadline of calls without content, and of each page of a listing. */
  callMs: number;
  /** Deadline of one request with content: 64 MiB at 0.3 MiB/s. */
  transferMs: number;
}

export const S3_LIMITS: S3Limits = {
  singlePutBytes: 64 * MEBIBYTE,
  partBytes: 32 * MEBIBYTE,
  partsAtOnce: 4,
  pageSize: 1000,
  connectMs: 10_000,
  idleMs: 30_000,
  callMs: 60_000,
  transferMs: 220_000,
};

/** Settings → the SDK's. It tries each request once: repeating is decided in one place for all drivers (`RetryingStore`). */
export function clientConfig(connection: S3Connection, limits: S3Limits): S3ClientConfig {
  const { region, endpoint, addressing, credentials, caCertificate } = connection;
  return {
    region,
    endpoint,
    forcePathStyle: addressing === 'auto' ? endpoint !== undefined : addressing === 'path',
    // Without it the SDK asks its default chain: environment, profile, role of the machine.
    credentials:
      credentials.source === 'access-key'
        ? { accessKeyId: credentials.accessKeyId, secretAccessKey: credentials.secretAccessKey }
        : undefined,
    maxAttempts: 1,
    // Compatibles reject the SDK's newer checksums; the signature covers each body's SHA-256, and packs authenticate themselves.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: limits.connectMs,
      socketTimeout: limits.idleMs,
      httpAgent: { keepAlive: true, maxSockets: 64 },
      httpsAgent: { keepAlive: true, maxSockets: 64, ca: caCertificate === undefined ? undefined : [...rootCertificates, caCertificate] },
    },
  };
}
