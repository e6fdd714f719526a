import { z } from 'zod';
import { AccessKey, FoundCredentials, SecretAccessKey } from './aws-credentials.js';
import { PlainText } from './plain-text.js';

export const LocalSettings = z
  .object({ driver: z.literal('local'), path: PlainText.startsWith('/', 'an absolute path is needed') })
  .strict()
  .meta({ id: 'LocalStorageSettings' });
export type LocalSettings = z.infer<typeof LocalSettings>;

/** Amazon's own rule, but for its length limits of other makers and underscores that old buckets have. */
const BUCKET = /^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i;
const PREFIX = /^(?!.*(^|\/)\.{1,2}(\/|$))[\w.-]+(\/[\w.-]+)*$/;

const S3Encryption = z.discriminatedUnion('mode', [
  /** Keys of the storage. */
  z.object({ mode: z.literal('AES256') }).strict(),
  z.object({ mode: z.literal('aws:kms'), keyId: PlainText.max(400).optional() }).strict(),
]);

/** A bucket of Amazon S3 or of a compatible, or a part of one. Also the source of the form's fields. */
export const S3Settings = z
  .object({
    driver: z.literal('s3'),
    bucket: z.string().regex(BUCKET, 'a bucket name has 3 to 63 letters, digits, dots and dashes'),
    /** Place within the bucket, without slashes at its ends. */
    prefix: z.string().max(200).regex(PREFIX, 'parts of letters, digits, ".", "_" and "-", joined by "/"').optional(),
    region: PlainText.trim().min(1).max(100).default('us-east-1'),
    /** Address of a compatible; absent = Amazon's of the region. */
    endpoint: z
      .url({ protocol: /^https?$/ })
      .refine(isPlainAddress, 'an address without user, path, query and fragment')
      .optional(),
    /** How the bucket is named in requests; `auto` = in the path where an endpoint is given, else in the host name. */
    addressing: z.enum(['auto', 'path', 'virtual-host']).default('auto'),
    credentials: z.discriminatedUnion('source', [AccessKey, FoundCredentials]),
    /** PEM of the authorities that the endpoint's certificate may come from, besides the usual ones. */
    caCertificate: z.string().max(100_000).includes('-----BEGIN CERTIFICATE-----').optional(),
    storageClass: z
      .string()
      .regex(/^[A-Z0-9_-]{1,50}$/)
      .optional(),
    encryption: S3Encryption.optional(),
    /** How files are locked in a bucket with object lock: COMPLIANCE can be lifted by nobody before its time. */
    lockMode: z.enum(['GOVERNANCE', 'COMPLIANCE']).default('GOVERNANCE'),
    /** Longest time until the storage lists a new file. Amazon and most compatibles list at once. */
    listLagSeconds: z.number().int().min(0).max(86_400).default(0),
  })
  .strict()
  .meta({ id: 'S3StorageSettings' });
export type S3Settings = z.infer<typeof S3Settings>;

/** A storage driver's settings without secrets. */
export const StorageSettings = z.discriminatedUnion('driver', [LocalSettings, S3Settings]);
export type StorageSettings = z.infer<typeof StorageSettings>;

export const S3Connection = S3Settings.extend({ credentials: z.discriminatedUnion('source', [SecretAccessKey, FoundCredentials]) }).meta({
  id: 'S3StorageConnection',
});
export type S3Connection = z.infer<typeof S3Connection>;

/** All that a process needs to reach a storage: the settings with their secret. It travels sealed. */
export const StorageConnection = z.discriminatedUnion('driver', [LocalSettings, S3Connection]);
export type StorageConnection = z.infer<typeof StorageConnection>;

/** Where the storage is, for people: a folder, or `s3://bucket/prefix`. */
export function storagePlace(settings: StorageSettings): string {
  if (settings.driver === 'local') return settings.path;
  return `s3://${settings.bucket}${settings.prefix === undefined ? '' : `/${settings.prefix}`}`;
}

function isPlainAddress(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { username, password, pathname, search, hash } = new URL(address);
  return username === '' && password === '' && pathname === '/' && search === '' && hash === '';
}
