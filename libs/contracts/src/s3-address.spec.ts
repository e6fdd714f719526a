import { describe, expect, it } from '@jest/globals';
import { parseS3Address, repositoryPlace } from './s3-address.js';
import { S3Settings } from './storage-settings.js';

describe('the address of a bucket', () => {
  it('names bucket and prefix, and takes the rest from the environment as other tools do', () => {
    expect(parseS3Address('s3://backups/of/shop/', { AWS_REGION: 'eu-central-1', AWS_ENDPOINT_URL: 'https://nas:9000' })).toMatchObject({
      bucket: 'backups',
      prefix: 'of/shop',
      region: 'eu-central-1',
      endpoint: 'https://nas:9000',
      credentials: { source: 'environment' },
    });
    expect(parseS3Address('s3://backups', {})).toMatchObject({
      bucket: 'backups',
      region: 'us-east-1',
      addressing: 'auto',
      listLagSeconds: 0,
    });
  });

  it('of a repository is found again by what is printed of it', () => {
    const credentials = { source: 'access-key', accessKeyId: 'AKIA' };
    for (const settings of [
      { bucket: 'backups' },
      {
        bucket: 'backups',
        prefix: 'of/shop',
        endpoint: 'https://nas.example:9000',
        region: 'home',
        addressing: 'path',
        listLagSeconds: 30,
      },
    ]) {
      const storage = S3Settings.parse({ driver: 's3', credentials, ...settings });
      const place = repositoryPlace(storage, 'nightly');
      expect(place).not.toContain('AKIA');
      const { prefix, ...found } = parseS3Address(place, {});
      expect(prefix).toBe(`${storage.prefix === undefined ? '' : `${storage.prefix}/`}nightly`);
      expect({ ...found, credentials }).toEqual({ ...storage, prefix: undefined });
    }
    expect(repositoryPlace(S3Settings.parse({ driver: 's3', credentials, bucket: 'backups' }), 'shop')).toBe('s3://backups/shop');
    expect(repositoryPlace({ driver: 'local', path: '/mnt/nas' }, 'shop')).toBe('/mnt/nas/shop');
  });

  it('wins over the environment where it says something itself', () => {
    const address = 's3://backups?endpoint=http://127.0.0.1:9000&region=home&addressing=virtual-host&listLagSeconds=30';
    expect(parseS3Address(address, { AWS_REGION: 'eu-central-1', AWS_ENDPOINT_URL_S3: 'https://nas:9000' })).toMatchObject({
      endpoint: 'http://127.0.0.1:9000',
      region: 'home',
      addressing: 'virtual-host',
      listLagSeconds: 30,
    });
  });

  it.each([
    's3://key:secret@backups/x',
    's3://backups?secret=x',
    's3://b/x',
    's3://backups?endpoint=ftp://nas',
    's3://backups?endpoint=http://user:password@nas',
    's3://backups?listLagSeconds=soon',
    's3:backups',
  ])('refuses %s without repeating it', (address) => {
    expect(() => parseS3Address(address, {})).toThrow(expect.objectContaining({ code: 'invalid_input' }));
    expect(() => parseS3Address(address, {})).not.toThrow('password');
  });
});
