import type { ByteRange, CallOptions } from '@rahat/blob-store-port';
import { BoundedStore } from '../bounded-store.js';

/** Counts what a check really read, because a report must not claim more. */
export class MeteredStore extends BoundedStore {
  readBytes = 0;

  override async get(name: string, range?: ByteRange, options?: CallOptions): Promise<Buffer> {
    const bytes = await super.get(name, range, options);
    this.readBytes += bytes.length;
    return bytes;
  }
}
