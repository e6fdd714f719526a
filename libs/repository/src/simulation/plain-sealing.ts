import { RahatError } from '@rahat/contracts';
import { WRAPPED_PACK_KEY_BYTES } from '../keys/pack-keys.js';
import type { Sealing } from '../sealed-files/sealing.js';

/**
 * Files that say for what they were sealed, and hide nothing: what opens elsewhere is told by the same error as with ciphers, at a
 * hundredth of their cost.
 */
export const PLAIN_SEALING: Sealing = {
  seal: (type, name, payload) => Buffer.concat([label(type, name), payload]),
  open(type, name, file) {
    const expected = label(type, name);
    if (!file.subarray(0, expected.length).equals(expected))
      throw new RahatError('repository_damaged', `File ${name} cannot be opened as ${type}.`);
    return file.subarray(expected.length);
  },
  wrapPackKey: async (_, packKey) => Buffer.concat([packKey], WRAPPED_PACK_KEY_BYTES),
  unwrapPackKey: async (_, wrapped) => wrapped.subarray(0, PACK_KEY_BYTES),
};

const PACK_KEY_BYTES = 32;

function label(type: string, name: string): Buffer {
  return Buffer.from(`${type} ${name}\n`);
}
