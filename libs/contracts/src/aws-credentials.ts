import { z } from 'zod';
import { PlainText } from './plain-text.js';

export const AccessKey = z.object({ source: z.literal('access-key'), accessKeyId: PlainText.trim().min(1).max(200) }).strict();

export const SecretAccessKey = AccessKey.extend({ secretAccessKey: PlainText.min(1).max(1024) });

/** Found by the process that uses them: environment, profile, role of the machine. */
export const FoundCredentials = z.object({ source: z.literal('environment') }).strict();

/** Who signs for Amazon; the secret of an access key is kept apart. */
export const AwsCredentials = z.discriminatedUnion('source', [AccessKey, FoundCredentials]);

/** As in eu-west-1, us-gov-west-1, cn-north-1. */
export const AwsRegion = z.string().regex(/^[a-z]{2}(-[a-z]+){1,3}-\d{1,2}$/, 'looks like eu-west-1');
