import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import { hkdf, hmac, unseal } from './sealing.js';

// RFC 9180: DHKEM(X25519, HKDF-SHA256) 0x0020, HKDF-SHA256 0x0001, AES-256-GCM 0x0002, base mode.
const KEM_SUITE = Buffer.concat([Buffer.from('KEM'), u16(0x0020)]);
const SUITE = Buffer.concat([Buffer.from('HPKE'), u16(0x0020), u16(0x0001), u16(0x0002)]);
const NOTHING = Buffer.alloc(0);
const BASE_MODE = Buffer.from([0]);
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
/** What stands before the 32 bytes of a raw key in PKCS #8 and SPKI (RFC 8410). */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
const PUBLIC_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');

export class RecipientKey {
  readonly publicKey: Buffer;
  readonly #privateKey: KeyObject;

  constructor(privateKey: Uint8Array) {
    this.#privateKey = createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, privateKey]), format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(this.#privateKey).export({ format: 'der', type: 'spki' });
    this.publicKey = spki.subarray(-KEY_BYTES);
  }

  /** Opens `enc ‖ ciphertext`, single message, empty associated data. Throws where it isn't meant for this key and `info`. */
  open(info: Uint8Array, sealed: Uint8Array): Buffer {
    const enc = sealed.subarray(0, KEY_BYTES);
    const theirs = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, enc]), format: 'der', type: 'spki' });
    const dh = diffieHellman({ privateKey: this.#privateKey, publicKey: theirs });
    const eaePrk = labeledExtract(KEM_SUITE, NOTHING, 'eae_prk', dh);
    const shared = labeledExpand(KEM_SUITE, eaePrk, 'shared_secret', Buffer.concat([enc, this.publicKey]), 32);
    const pskIdHash = labeledExtract(SUITE, NOTHING, 'psk_id_hash', NOTHING);
    const context = Buffer.concat([BASE_MODE, pskIdHash, labeledExtract(SUITE, NOTHING, 'info_hash', info)]);
    const secret = labeledExtract(SUITE, shared, 'secret', NOTHING);
    const key = labeledExpand(SUITE, secret, 'key', context, KEY_BYTES);
    const nonce = labeledExpand(SUITE, secret, 'base_nonce', context, NONCE_BYTES);
    return unseal(key, nonce, NOTHING, sealed.subarray(KEY_BYTES));
  }
}

function labeledExtract(suite: Buffer, salt: Buffer, label: string, material: Uint8Array): Buffer {
  return hmac(salt.length === 0 ? Buffer.alloc(32) : salt, Buffer.from('HPKE-v1'), suite, Buffer.from(label), material);
}

/** HKDF-Expand; one block of SHA-256 is all that is ever needed here. */
function labeledExpand(suite: Buffer, secret: Buffer, label: string, info: Uint8Array, bytes: number): Buffer {
  const labeledInfo = Buffer.concat([u16(bytes), Buffer.from('HPKE-v1'), suite, Buffer.from(label), info]);
  return hmac(secret, labeledInfo, Buffer.from([1])).subarray(0, bytes);
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

/** The HKDF of the document with an empty salt; here because the recipient's private key comes from it. */
export function deriveRecipientKey(masterKey: Uint8Array): RecipientKey {
  return new RecipientKey(hkdf(masterKey, NOTHING, 'rahat/1/pack-private'));
}
