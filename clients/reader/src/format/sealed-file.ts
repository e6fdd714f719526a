import { damaged, messageOf } from '../reader-error.js';
import { hkdf, NO_NONCE, unseal } from './sealing.js';
import { unzstd } from './zstd.js';

export const SEALED = { config: 1, index: 2, manifest: 3, lease: 4, collection: 5, log: 6, footer: 7, packKey: 8 } as const;
export type SealedType = (typeof SEALED)[keyof typeof SEALED];

const MAGIC = Buffer.from('RHTS\x01', 'latin1');
const SALT_BYTES = 32;
const HEADER_BYTES = MAGIC.length + 1 + SALT_BYTES;
/** Node.js can't hold more in one buffer that a decoder fills; no writer makes such a file. */
const MOST_PAYLOAD_BYTES = 2 ** 31 - 1;

export interface MetadataKey {
  key: Buffer;
  repositoryId: Buffer;
}

/**
 * Payload of a sealed file. `name` is the one by which it was sealed, `place` where it lies: they differ for manifests in the trash and for
 * footers. Throws `damaged` naming the place.
 */
export function openSealed(bytes: Buffer, type: SealedType, name: string, metadata: MetadataKey, place = name): Buffer {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
    throw damaged(place, 'it is no sealed file of a known version');
  if (bytes[MAGIC.length] !== type) throw damaged(place, `it is sealed as type ${bytes[MAGIC.length]}, not ${type}`);
  try {
    const label = Buffer.concat([Buffer.from([type]), Buffer.from(name)]);
    const key = hkdf(metadata.key, bytes.subarray(MAGIC.length + 1, HEADER_BYTES), label);
    const packed = unseal(key, NO_NONCE, Buffer.concat([metadata.repositoryId, label]), bytes.subarray(HEADER_BYTES));
    return unzstd(packed, MOST_PAYLOAD_BYTES);
  } catch (cause) {
    throw damaged(place, `it is changed or not of this repository (${messageOf(cause)})`, cause);
  }
}

/** Key of a metadata pack: salt 32 ‖ sealed key 48, without header and compression. */
export function openPackKey(wrapped: Buffer, metadata: MetadataKey): Buffer {
  const label = Buffer.from([SEALED.packKey]);
  const key = hkdf(metadata.key, wrapped.subarray(0, SALT_BYTES), label);
  return unseal(key, NO_NONCE, Buffer.concat([metadata.repositoryId, label]), wrapped.subarray(SALT_BYTES));
}
