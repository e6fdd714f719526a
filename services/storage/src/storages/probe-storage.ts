import { randomBytes } from 'node:crypto';
import type { BlobStore } from '@rahat/blob-store-port';
import { newId, RahatError } from '@rahat/contracts';

const PROBE_BYTES = 64 * 1024;
const RANGE = { offset: 1_000, length: 4_096 };
const DEADLINE_MS = 30_000;

/** Does once, on a small file, everything that a repository will ask of the storage, and believes only what it read back. */
export async function probeStorage(store: BlobStore): Promise<void> {
  const name = `probe-${newId('request')}`;
  const body = randomBytes(PROBE_BYTES);
  const call = { signal: AbortSignal.timeout(DEADLINE_MS) };
  try {
    await store.put(name, body, { ...call, ifAbsent: store.capabilities.conditionalPut });
    const whole = await store.get(name, undefined, call);
    const part = await store.get(name, RANGE, call);
    if (!whole.equals(body) || !part.equals(body.subarray(RANGE.offset, RANGE.offset + RANGE.length))) {
      throw new RahatError('storage_unreachable', `${store.description} gave back other bytes than were written.`, {
        hint: 'This place cannot keep backups; look at its disk and its mount.',
        retryable: false,
      });
    }
    const size = (await store.stat(name, call))?.sizeBytes;
    if (size !== PROBE_BYTES)
      throw new RahatError('storage_unreachable', `${store.description} tells a wrong size of a file that was just written.`, {
        retryable: false,
      });
  } finally {
    await store.remove(name, call);
  }
  if ((await store.stat(name, call)) !== undefined)
    throw new RahatError('storage_unreachable', `${store.description} keeps files that were removed.`, { retryable: false });
}
