import { createHash } from 'node:crypto';
import { messageOf } from '../reader-error.js';
import { argon2Key } from './argon2.js';
import { Fields } from './json-fields.js';
import { combineShares } from './key-shares.js';
import { readPrintedKey } from './printed-key.js';
import { hkdf, unseal } from './sealing.js';

export interface Secrets {
  masterKey: Buffer;
  identitySecret: Buffer;
}

const SECRET_BYTES = 32;
const NONCE_BYTES = 12;
const WRAPPED_BYTES = NONCE_BYTES + 2 * SECRET_BYTES + 16;
const SALT_BYTES = 16;
const MOST_MEMORY_KIB = 1_048_576;
const MOST_PASSES = 16;
const MOST_LANES = 16;
const MOST_SHARES = 64;

export type SlotAttempt = { outcome: 'opened'; secrets: Secrets } | { outcome: 'wrongSecret' | 'notOurs' | 'damaged'; reason: string };

/** Tries one file of `keys/`. `given` is what people gave: a passphrase, a recovery key as it was printed, or several shares of one. */
export function openKeyslot(id: string, bytes: Buffer, repositoryId: Buffer, given: readonly string[]): SlotAttempt {
  try {
    const { slot, associatedData } = parseKeyslot(id, bytes);
    if (slot.raw('repository') !== repositoryId.toString('hex')) return { outcome: 'notOurs', reason: 'it belongs to another repository' };
    const derive = SLOT_KEYS[slot.text('type')];
    if (slot.raw('format') !== 1 || !derive)
      return { outcome: 'notOurs', reason: `it is of type "${slot.text('type')}", which this reader doesn't open` };
    const key = derive(slot.object('kdf'), given, repositoryId, id);
    if (typeof key === 'string') return { outcome: 'wrongSecret', reason: key };
    const plain = tryUnseal(key, slot.base64('wrapped', WRAPPED_BYTES), associatedData);
    if (!plain) return { outcome: 'wrongSecret', reason: `the ${slot.text('type')} does not fit` };
    return { outcome: 'opened', secrets: { masterKey: plain.subarray(0, SECRET_BYTES), identitySecret: plain.subarray(SECRET_BYTES) } };
  } catch (error) {
    return { outcome: 'damaged', reason: messageOf(error) };
  }
}

/**
 * Throws where the slot isn't what was written: it carries a checksum over all of itself. The associated data is taken from the text as it
 * stands, so nothing depends on how JSON would be written again.
 */
export function parseKeyslot(id: string, bytes: Buffer): { slot: Fields; associatedData: Buffer } {
  const text = bytes.toString('utf8');
  const slot = Fields.parse(text);
  if (slot.text('id') !== id) throw new Error('its id is not its name');
  const wrapped = slot.text('wrapped');
  const checksum = slot.text('checksum', /^[0-9a-f]{64}$/);
  const end = text.lastIndexOf(',"wrapped":');
  const head = `${text.slice(0, Math.max(end, 0))}}`;
  const found = createHash('sha256').update(head).update(wrapped).digest('hex');
  if (found !== checksum || text !== `${head.slice(0, -1)},"wrapped":"${wrapped}","checksum":"${checksum}"}`)
    throw new Error('its checksum does not fit');
  return { slot, associatedData: Buffer.from(head) };
}

type SlotKey = (kdf: Fields, given: readonly string[], repositoryId: Buffer, slotId: string) => Buffer | string;

/** The slot's key by its type; a text says why what was given can't be of that type. */
const SLOT_KEYS: Record<string, SlotKey> = {
  passphrase: (kdf, [passphrase = '', ...more]) => {
    assertKdf(kdf, 'argon2id');
    const memoryKib = kdf.integer('memoryKib', 8, MOST_MEMORY_KIB);
    const passes = kdf.integer('passes', 1, MOST_PASSES);
    const parallelism = kdf.integer('parallelism', 1, MOST_LANES);
    const salt = kdf.base64('salt', SALT_BYTES);
    if (more.length > 0) return 'several texts are no passphrase';
    return argon2Key(Buffer.from(passphrase.normalize('NFC')), { memoryKib, passes, parallelism, salt });
  },
  recovery: (kdf, [printed = '', ...more], repositoryId) => {
    assertKdf(kdf, 'hkdf-sha256');
    const key = more.length > 0 ? 'there are several' : readPrintedKey(printed, 'rahat/1/recovery-key', SECRET_BYTES);
    return typeof key === 'string' ? `as a recovery key: ${key}` : recoveryKey(key, kdf, 'rahat/1/recovery', repositoryId);
  },
  shares: (kdf, printed, repositoryId, slotId) => {
    assertKdf(kdf, 'shamir-hkdf-sha256');
    const digests = kdf.texts('shares');
    if (digests.length > MOST_SHARES) throw new Error('it has too many shares');
    const key = combineShares(printed, slotId, kdf.integer('threshold', 2, digests.length), digests);
    return typeof key === 'string' ? `as shares: ${key}` : recoveryKey(key, kdf, 'rahat/1/shares', repositoryId);
  },
};

function assertKdf(kdf: Fields, name: string): void {
  if (kdf.raw('name') !== name) throw new Error(`its key derivation "${String(kdf.raw('name'))}" is not known`);
}

function recoveryKey(key: Buffer, kdf: Fields, info: string, repositoryId: Buffer): Buffer {
  return hkdf(key, kdf.base64('salt', SALT_BYTES), Buffer.concat([Buffer.from(info), repositoryId]));
}

function tryUnseal(key: Buffer, wrapped: Buffer, data: Buffer): Buffer | undefined {
  try {
    return unseal(key, wrapped.subarray(0, NONCE_BYTES), data, wrapped.subarray(NONCE_BYTES));
  } catch {
    return undefined; // The checksum fitted, so the slot is whole: it is the secret that doesn't fit.
  }
}
