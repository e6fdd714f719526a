import { RahatError } from './rahat-error.js';
import { S3Connection, S3Settings, type StorageSettings } from './storage-settings.js';

const OPTIONS = ['endpoint', 'region', 'addressing', 'listLagSeconds'];

/** Whether a place is an address of this kind, and no folder. */
export function isS3Address(place: string): boolean {
  return /^s3:/i.test(place);
}

/**
 * `s3://bucket/prefix?endpoint=…&region=…&addressing=…`, for places that are named on a command line. The key isn't part of it: an
 * address stands in the list of processes. What the address leaves open comes from `environment`, as in Amazon's own tools.
 * @throws RahatError `invalid_input`
 */
export function parseS3Address(address: string, environment: Record<string, string | undefined>): S3Connection {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== 's3:' || url.username !== '' || url.password !== '' || url.hash !== '') throw invalid('it cannot be read');
  const { listLagSeconds, ...options } = Object.fromEntries(url.searchParams);
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) throw invalid(`"${unknown}" is no part of it`);
  const parsed = S3Connection.safeParse({
    driver: 's3',
    bucket: url.host,
    prefix: url.pathname.replace(/^\/+|\/+$/g, '') || undefined,
    credentials: { source: 'environment' },
    region: environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'],
    endpoint: environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'],
    ...options,
    listLagSeconds: listLagSeconds === undefined ? undefined : Number(listLagSeconds),
  });
  if (!parsed.success) throw invalid(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  return parsed.data;
}

/**
 * Where a repository lies, for people and command lines: a folder, or an address that `parseS3Address` reads. All that is needed to find
 * it again stands in it, and no key.
 */
export function repositoryPlace(storage: StorageSettings, prefix: string): string {
  if (storage.driver === 'local') return prefix === '' ? storage.path : `${storage.path}/${prefix}`;
  const path = [storage.bucket, storage.prefix, prefix].filter((part) => part !== undefined && part !== '').join('/');
  const { region: usualRegion } = S3Settings.shape;
  const options = new URLSearchParams();
  if (storage.endpoint !== undefined) options.set('endpoint', storage.endpoint);
  if (storage.region !== usualRegion.parse(undefined)) options.set('region', storage.region);
  if (storage.addressing !== 'auto') options.set('addressing', storage.addressing);
  if (storage.listLagSeconds > 0) options.set('listLagSeconds', String(storage.listLagSeconds));
  // Readable on paper: an endpoint's colons and slashes need no escape in a query.
  const query = [...options].map(([name, value]) => `${name}=${encodeURIComponent(value).replace(/%(?:3A|2F)/g, decodeURIComponent)}`);
  return `s3://${path}${query.length > 0 ? `?${query.join('&')}` : ''}`;
}

function invalid(why: string): RahatError {
  return new RahatError('invalid_input', `The address of the bucket is not valid: ${why}.`, {
    hint: 'It looks like s3://bucket/prefix?endpoint=https://host:port&region=…',
  });
}
