import { RahatError } from '@rahat/contracts';
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import type { SecretBox, SecretPlace } from './secret-box.js';

const PREFIX = 'rsb1.';
const KEY_ID_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const WRAPPED_KEY_BYTES = NONCE_BYTES + 32 + TAG_BYTES;

/** Each value has a data key of its own; `keyEncryptionKey` (32 bytes) only ever wraps data keys. */
export function createSecretBox(keyEncryptionKey: Buffer): SecretBox {
  const kek = Buffer.from(hkdfSync('sha256', keyEncryptionKey, '', 'rahat/1/secret-box', 32));
  const keyId = createHash('sha256').update('rahat/1/secret-box-key-id').update(kek).digest().subarray(0, KEY_ID_BYTES);
  return {
    seal(plaintext, place) {
      const dataKey = randomBytes(32);
      const context = contextOf(place);
      const parts = [keyId, encrypt(kek, dataKey, context), encrypt(dataKey, Buffer.from(plaintext), context)];
      return PREFIX + Buffer.concat(parts).toString('base64url');
    },
    open(sealed, place) {
      const bytes = Buffer.from(sealed.startsWith(PREFIX) ? sealed.slice(PREFIX.length) : '', 'base64url');
      if (bytes.length < KEY_ID_BYTES + WRAPPED_KEY_BYTES + NONCE_BYTES + TAG_BYTES) throw damaged(place, 'it is not a sealed value');
      if (!bytes.subarray(0, KEY_ID_BYTES).equals(keyId)) throw damaged(place, 'it was sealed with another key file');
      const context = contextOf(place);
      try {
        const dataKey = decrypt(kek, bytes.subarray(KEY_ID_BYTES, KEY_ID_BYTES + WRAPPED_KEY_BYTES), context);
        return decrypt(dataKey, bytes.subarray(KEY_ID_BYTES + WRAPPED_KEY_BYTES), context);
      } catch (error) {
        throw damaged(place, 'it was changed, or belongs to another record', error);
      }
    },
  };
}

/** A password that never has to be stored, e.g. of a service's database role. */
export function derivePassword(keyEncryptionKey: Buffer, label: string): string {
  return Buffer.from(hkdfSync('sha256', keyEncryptionKey, '', `rahat/1/password/${label}`, 32)).toString('base64url');
}

function contextOf(place: SecretPlace): Buffer {
  return Buffer.from(JSON.stringify([place.organization, place.record, place.field]));
}

function encrypt(key: Buffer, plaintext: Buffer, context: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(context);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, bytes: Buffer, context: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(context).setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES)), decipher.final()]);
}

function damaged(place: SecretPlace, why: string, cause?: unknown): RahatError {
  return new RahatError('internal', `The sealed ${place.field} of ${place.record} does not open: ${why}`, {
    hint: 'Is the key file in the data folder the one that belongs to this database? If it is lost, enter the secret again.',
    cause,
  });
}
