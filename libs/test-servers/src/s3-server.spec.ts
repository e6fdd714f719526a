import { describe, expect, it } from '@jest/globals';
import { hasS3, startS3, type S3Make } from './index.js';

describe('startS3', () => {
  for (const make of ['moto', 'rclone'] satisfies S3Make[]) {
    (hasS3(make) ? it : it.skip)(`starts ${make}, which answers until it is killed, and again on the same port`, async () => {
      await using server = await startS3(make);
      const status = async () => (await fetch(`${server.endpoint}/a-bucket?list-type=2`)).status;
      expect(await status()).toBeGreaterThanOrEqual(400);
      await server.kill9();
      await expect(status()).rejects.toThrow('fetch failed');
      await server.restart();
      expect(await status()).toBeGreaterThanOrEqual(400);
    });
  }
});
