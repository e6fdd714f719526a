import { createDecipheriv, createHmac, hkdfSync } from 'node:crypto';

const TAG_BYTES = 16;
export const NO_NONCE = Buffer.alloc(12);

export function hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array | string, bytes = 32): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, bytes));
}

export function hmac(key: Uint8Array, ...parts: Uint8Array[]): Buffer {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** AES-256-GCM with the tag behind the ciphertext. Throws where the bytes, the key or the associated data differ; gives nothing unauthenticated. */
export function unseal(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, sealed: Uint8Array): Buffer {
  if (sealed.length < TAG_BYTES) throw new Error('it is too short');
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plain = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  decipher.final();
  return plain;
}
