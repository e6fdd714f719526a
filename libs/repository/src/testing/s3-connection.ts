import type { S3Connection } from '@rahat/contracts';
import type { S3Server } from '@rahat/test-servers';

/** A part of a bucket on a server that a test has started. */
export function s3Connection({ endpoint, accessKeyId, secretAccessKey }: S3Server, bucket: string): S3Connection {
  return {
    driver: 's3',
    bucket,
    prefix: 'main',
    region: 'us-east-1',
    endpoint,
    addressing: 'auto',
    credentials: { source: 'access-key', accessKeyId, secretAccessKey },
    lockMode: 'GOVERNANCE',
    listLagSeconds: 0,
  };
}
