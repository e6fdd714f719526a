import { argon2, createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { RahatError } from '@rahat/contracts';
import { z } from 'zod';
import { SECRET_BYTES, type RepositorySecrets } from './derivation.js';

/** repository.md §4. The upper bounds keep a forged slot from exhausting the machine that tries it. */
const KdfParameters = z.strictObject({
  name: z.literal('argon2id'),
  memoryKib: z
    .number()
    .int()
    .min(8)
    .max(1024 * 1024),
  passes: z.number().int().min(1).max(16),
  parallelism: z.number().int().min(1).max(16),
  salt: z.base64().length(24),
});
export type KdfParameters = z.infer<typeof KdfParameters>;
export type KdfCost = Pick<KdfParameters, 'memoryKib' | 'passes' | 'parallelism'>;

const Keyslot = z.strictObject({
  format: z.literal(1),
  id: z.string().regex(/^[0-9a-f]{32}$/),
  repository: z.string().regex(/^[0-9a-f]{32}$/),
  label: z.string().max(200),
  type: z.literal('passphrase'),
  kdf: KdfParameters,
  /** Nonce 12, both secrets encrypted 64, tag 16. */
  wrapped: z.base64(),
  /** SHA-256 of the slot without this field: tells a damaged slot from a wrong passphrase. */
  checksum: z.string(),
});
type Keyslot = z.infer<typeof Keyslot>;

export const DEFAULT_KDF_COST: KdfCost = { memoryKib: 64 * 1024, passes: 3, parallelism: 1 };
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const WRAPPED_BYTES = NONCE_BYTES + 2 * SECRET_BYTES + TAG_BYTES;

export interface NewPassphraseSlot {
  repositoryId: Buffer;
  passphrase: string;
  label: string;
  cost?: KdfCost;
}

export async function createPassphraseSlot(secrets: RepositorySecrets, options: NewPassphraseSlot): Promise<{ id: string; file: Buffer }> {
  const fields = {
    format: 1 as const,
    id: randomBytes(16).toString('hex'),
    repository: options.repositoryId.toString('hex'),
    label: options.label,
    type: 'passphrase' as const,
    kdf: { name: 'argon2id' as const, ...(options.cost ?? DEFAULT_KDF_COST), salt: randomBytes(16).toString('base64') },
  };
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', await passphraseKey(options.passphrase, fields.kdf), nonce);
  cipher.setAAD(associatedData(fields));
  const sealed = Buffer.concat([
    cipher.update(secrets.masterKey),
    cipher.update(secrets.identitySecret),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  const slot = { ...fields, wrapped: Buffer.concat([nonce, sealed]).toString('base64') };
  return { id: fields.id, file: Buffer.from(canonical({ ...slot, checksum: checksum(slot) })) };
}

/** Refuses a slot that isn't byte for byte what a writer makes. */
export function parseKeyslot(name: string, file: Buffer): Keyslot {
  let slot: Keyslot;
  try {
    slot = Keyslot.parse(JSON.parse(file.toString('utf8')));
  } catch (error) {
    throw new RahatError('repository_damaged', `Keyslot ${name} cannot be understood.`, { cause: error });
  }
  if (
    canonical(slot) !== file.toString('utf8') ||
    checksum(slot) !== slot.checksum ||
    Buffer.from(slot.wrapped, 'base64').length !== WRAPPED_BYTES
  ) {
    throw new RahatError('repository_damaged', `Keyslot ${name} is damaged: its checksum is wrong.`);
  }
  return slot;
}

/** undefined when the passphrase is not this slot's. */
export async function openPassphraseSlot(slot: Keyslot, passphrase: string): Promise<RepositorySecrets | undefined> {
  const wrapped = Buffer.from(slot.wrapped, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', await passphraseKey(passphrase, slot.kdf), wrapped.subarray(0, NONCE_BYTES));
  decipher.setAAD(associatedData(slot));
  decipher.setAuthTag(wrapped.subarray(-TAG_BYTES));
  const secrets = decipher.update(wrapped.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return { masterKey: Buffer.from(secrets.subarray(0, SECRET_BYTES)), identitySecret: Buffer.from(secrets.subarray(SECRET_BYTES)) };
}

const argon2Async = promisify(argon2);

async function passphraseKey(passphrase: string, kdf: KdfParameters): Promise<Buffer> {
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

type SlotFields = Omit<Keyslot, 'wrapped' | 'checksum'>;

/** The slot's fields in this order, without white space: what the wrapping authenticates. */
function associatedData({ format, id, repository, label, type, kdf }: SlotFields): Buffer {
  const { name, memoryKib, passes, parallelism, salt } = kdf;
  return Buffer.from(JSON.stringify({ format, id, repository, label, type, kdf: { name, memoryKib, passes, parallelism, salt } }));
}

function canonical(slot: Keyslot): string {
  return JSON.stringify({ ...JSON.parse(associatedData(slot).toString()), wrapped: slot.wrapped, checksum: slot.checksum });
}

function checksum(slot: Omit<Keyslot, 'checksum'>): string {
  return createHash('sha256').update(associatedData(slot)).update(slot.wrapped).digest('hex');
}
