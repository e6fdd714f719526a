import { argon2, hkdfSync, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { RahatError } from '@rahat/contracts';
import { SECRET_BYTES, type RepositorySecrets } from './derivation.js';
import type { KeyProvider } from './key-provider.js';
import { combineShares, readShares, splitKey } from './key-shares.js';
import { MAX_SHARES, sealKeyslot, unsealKeyslot, type Argon2Parameters, type Keyslot, type KeyslotType } from './keyslot-file.js';
import { codeLine, printCode, readCode, type PrintedGroup } from './printed-code.js';

export type KdfCost = Pick<Argon2Parameters, 'memoryKib' | 'passes' | 'parallelism'>;

/** A new way into a repository. `cost` is for tests only: a cheaper derivation weakens the passphrase. */
export type NewWayIn =
  | { type: 'passphrase'; label: string; passphrase: string; cost?: KdfCost }
  | { type: 'recovery'; label: string }
  | { type: 'shares'; label: string; threshold: number; count: number }
  | { type: 'sealed'; label: string; provider: KeyProvider };

/** What someone brings to open a slot; printed keys as they were typed. */
export type SlotCredential =
  | { type: 'passphrase'; passphrase: string }
  | { type: 'recovery'; recoveryKey: string }
  | { type: 'shares'; shares: readonly string[] }
  | { type: 'sealed'; provider: KeyProvider };

/** What was made for people to keep; shown once. */
export type Handout = { type: 'none' } | { type: 'recovery'; key: PrintedGroup[] } | { type: 'shares'; shares: PrintedGroup[][] };

export interface NewKeyslot {
  id: string;
  file: Buffer;
  handout: Handout;
  /** Opens the slot; for reading back what was stored. */
  credential: SlotCredential;
}

export type SlotAttempt = { opened: RepositorySecrets } | { opened?: undefined; reason: string };

const DEFAULT_KDF_COST: KdfCost = { memoryKib: 64 * 1024, passes: 3, parallelism: 1 };
const MAX_LABEL_CHARACTERS = 200;

/** Makes the slot's file; stores nothing. Throws `invalid_input`. */
export async function newKeyslot(secrets: RepositorySecrets, repositoryId: Buffer, way: NewWayIn): Promise<NewKeyslot> {
  if (way.label.length > MAX_LABEL_CHARACTERS)
    throw new RahatError('invalid_input', `The label of a key has at most ${MAX_LABEL_CHARACTERS} characters.`);
  const id = randomBytes(16).toString('hex');
  const head = { format: 1, id, repository: repositoryId.toString('hex'), label: way.label } as const;
  const salt = randomBytes(16).toString('base64');
  switch (way.type) {
    case 'passphrase': {
      if (way.passphrase === '') throw new RahatError('invalid_input', 'The passphrase of a repository must not be empty.');
      const kdf = { name: 'argon2id', ...(way.cost ?? DEFAULT_KDF_COST), salt } as const;
      const file = sealKeyslot({ ...head, type: 'passphrase', kdf }, await passphraseKey(way.passphrase, kdf), secrets);
      return { id, file, handout: { type: 'none' }, credential: { type: 'passphrase', passphrase: way.passphrase } };
    }
    case 'recovery': {
      const recoveryKey = randomBytes(SECRET_BYTES);
      const key = printCode('recovery-key', recoveryKey);
      const slot = { ...head, type: 'recovery', kdf: { name: 'hkdf-sha256', salt } } as const;
      const file = sealKeyslot(slot, recoverySlotKey(recoveryKey, slot), secrets);
      return { id, file, handout: { type: 'recovery', key }, credential: { type: 'recovery', recoveryKey: codeLine(key) } };
    }
    case 'shares': {
      const { threshold, count } = way;
      if (!(Number.isInteger(threshold) && Number.isInteger(count) && threshold >= 2 && threshold <= count && count <= MAX_SHARES)) {
        throw new RahatError('invalid_input', `Shares are 2 to ${MAX_SHARES}, and at least 2 of them must be needed.`);
      }
      const recoveryKey = randomBytes(SECRET_BYTES);
      const { digests, shares } = await splitKey(recoveryKey, { slot: id, threshold, count });
      const slot = { ...head, type: 'shares', kdf: { name: 'shamir-hkdf-sha256', salt, threshold, shares: digests } } as const;
      const file = sealKeyslot(slot, recoverySlotKey(recoveryKey, slot), secrets);
      return { id, file, handout: { type: 'shares', shares }, credential: { type: 'shares', shares: shares.map(codeLine) } };
    }
    case 'sealed': {
      const { provider } = way;
      const key = randomBytes(32);
      const sealedKey = await provider.seal(key, { repository: head.repository, slot: id });
      const slot = { ...head, type: 'sealed', kdf: { name: 'key-provider', provider: provider.name, sealedKey } } as const;
      return { id, file: sealKeyslot(slot, key, secrets), handout: { type: 'none' }, credential: { type: 'sealed', provider } };
    }
  }
}

/** Whether the credential could open such a slot at all; the others are not tried. */
export function fits(slot: Keyslot, credential: SlotCredential): boolean {
  if (slot.type !== credential.type) return false;
  return slot.type !== 'sealed' || credential.type !== 'sealed' || slot.kdf.provider === credential.provider.name;
}

/** Throws `recovery_key_mistyped` for what can't be a printed key; tells a wrong one by the reason. */
export async function openKeyslot(slot: Keyslot, credential: SlotCredential): Promise<SlotAttempt> {
  if (slot.type === 'passphrase' && credential.type === 'passphrase') {
    return attempt(slot, await passphraseKey(credential.passphrase, slot.kdf), 'the passphrase does not fit');
  }
  if (slot.type === 'recovery' && credential.type === 'recovery') {
    const key = recoverySlotKey(readCode('recovery-key', credential.recoveryKey), slot);
    return attempt(slot, key, 'the recovery key is another one');
  }
  if (slot.type === 'shares' && credential.type === 'shares') {
    const combined = await combineShares(readShares(credential.shares), slot.id, slot.kdf);
    if (!combined.ok) return { reason: combined.reason };
    return attempt(slot, recoverySlotKey(combined.key, slot), 'the shares give another key');
  }
  if (slot.type === 'sealed' && credential.type === 'sealed') return openSealed(slot, credential.provider);
  return { reason: `it is opened by ${NEEDED[slot.type]}` };
}

const NEEDED: Record<KeyslotType, string> = {
  passphrase: 'a passphrase',
  recovery: 'a recovery key',
  shares: 'shares of a recovery key',
  sealed: 'its key provider',
};

async function openSealed(slot: Keyslot & { type: 'sealed' }, provider: KeyProvider): Promise<SlotAttempt> {
  try {
    const key = await provider.open(slot.kdf.sealedKey, { repository: slot.repository, slot: slot.id });
    return attempt(slot, key, 'the key provider gave another key');
  } catch (error) {
    return { reason: `the key provider "${provider.name}" refused: ${RahatError.from(error).message}` };
  }
}

function attempt(slot: Keyslot, key: Buffer, reason: string): SlotAttempt {
  const opened = unsealKeyslot(slot, key);
  return opened ? { opened } : { reason };
}

const argon2Async = promisify(argon2);

async function passphraseKey(passphrase: string, kdf: Argon2Parameters): Promise<Buffer> {
  return argon2Async('argon2id', {
    // The same passphrase typed on another system may arrive in another Unicode form.
    message: Buffer.from(passphrase.normalize('NFC'), 'utf8'),
    nonce: Buffer.from(kdf.salt, 'base64'),
    memory: kdf.memoryKib,
    passes: kdf.passes,
    parallelism: kdf.parallelism,
    tagLength: 32,
  });
}

/** A recovery key is random already: it needs no slow derivation, only separation of uses. */
function recoverySlotKey(recoveryKey: Buffer, slot: { type: 'recovery' | 'shares'; repository: string; kdf: { salt: string } }): Buffer {
  const info = Buffer.concat([Buffer.from(`rahat/1/${slot.type}`), Buffer.from(slot.repository, 'hex')]);
  return Buffer.from(hkdfSync('sha256', recoveryKey, Buffer.from(slot.kdf.salt, 'base64'), info, 32));
}
