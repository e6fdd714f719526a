import { createCipheriv, createDecipheriv, createHmac, createSecretKey, decapsulate, encapsulate, type KeyObject } from 'node:crypto';

/**
 * HPKE (RFC 9180), base mode, one message for each key: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. The key agreement is
 * OpenSSL's; what stands here is the key schedule of RFC 9180 §5.1, compared in tests with another implementation.
 */
export const HPKE_SHARE_BYTES = 32;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
/** "HPKE" and the numbers of the three algorithms (RFC 9180 §7). */
const SUITE = Buffer.from('48504b45' + '0020' + '0001' + '0002', 'hex');
const VERSION = Buffer.from('HPKE-v1');
const EMPTY = Buffer.alloc(0);

/** Gives enc ‖ ciphertext ‖ tag. */
export function hpkeSeal(publicKey: KeyObject, info: Buffer, plaintext: Buffer): Buffer {
  const { sharedKey, ciphertext } = encapsulate(publicKey);
  const { key, nonce } = keySchedule(sharedKey, info);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([ciphertext, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Throws where the bytes were changed or made for another key or `info`. */
export function hpkeOpen(privateKey: KeyObject, info: Buffer, sealed: Buffer): Buffer {
  const { key, nonce } = keySchedule(decapsulate(privateKey, sealed.subarray(0, HPKE_SHARE_BYTES)), info);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plaintext = decipher.update(sealed.subarray(HPKE_SHARE_BYTES, sealed.length - TAG_BYTES));
  decipher.final();
  return plaintext;
}

function keySchedule(sharedSecret: Buffer, info: Buffer): { key: Buffer; nonce: Buffer } {
  const context = Buffer.concat([Buffer.from([0]), extract(EMPTY, 'psk_id_hash', EMPTY), extract(EMPTY, 'info_hash', info)]);
  const secret = extract(sharedSecret, 'secret', EMPTY);
  return { key: expand(secret, 'key', context, KEY_BYTES), nonce: expand(secret, 'base_nonce', context, NONCE_BYTES) };
}

function extract(salt: Buffer, label: string, input: Buffer): Buffer {
  return createHmac('sha256', createSecretKey(salt))
    .update(Buffer.concat([VERSION, SUITE, Buffer.from(label), input]))
    .digest();
}

/** For up to one hash's length, which is all that is asked here. */
function expand(key: Buffer, label: string, info: Buffer, length: number): Buffer {
  return createHmac('sha256', createSecretKey(key))
    .update(Buffer.concat([Buffer.from([length >> 8, length & 255]), VERSION, SUITE, Buffer.from(label), info, Buffer.from([1])]))
    .digest()
    .subarray(0, length);
}
