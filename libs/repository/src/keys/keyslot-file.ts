import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import { z } from 'zod';
import { SECRET_BYTES, type RepositorySecrets } from './derivation.js';

const Salt = z.base64().length(24);

/** The upper bounds keep a forged slot from exhausting the machine that tries it (repository.md §4). */
const Argon2Parameters = z
  .strictObject({
    name: z.literal('argon2id'),
    memoryKib: z
      .number()
      .int()
      .min(8)
      .max(1024 * 1024),
    passes: z.number().int().min(1).max(16),
    parallelism: z.number().int().min(1).max(16),
    salt: Salt,
  })
  // RFC 9106 §3.1; a slot that breaks it would stop the opening instead of only itself.
  .refine(({ memoryKib, parallelism }) => memoryKib >= 8 * parallelism, 'Argon2 needs 8 KiB for each lane');
export type Argon2Parameters = z.infer<typeof Argon2Parameters>;

/** More shares than people could keep apart; bounds the slot's size. */
export const MAX_SHARES = 64;
const ShamirParameters = z
  .strictObject({
    name: z.literal('shamir-hkdf-sha256'),
    salt: Salt,
    threshold: z.number().int().min(2),
    /** SHA-256 of each share, in the order of their numbers: a wrong one among right ones can be named. */
    shares: z
      .array(z.string().regex(/^[0-9a-f]{64}$/))
      .min(2)
      .max(MAX_SHARES),
  })
  .refine(({ threshold, shares }) => threshold <= shares.length, 'more shares are needed than there are');
export type ShamirParameters = z.infer<typeof ShamirParameters>;

const HkdfParameters = z.strictObject({ name: z.literal('hkdf-sha256'), salt: Salt });
const ProviderParameters = z.strictObject({
  name: z.literal('key-provider'),
  provider: z.string().min(1).max(100),
  sealedKey: z.string().min(1).max(8192),
});

const head = { format: z.literal(1), id: z.string().regex(/^[0-9a-f]{32}$/), repository: z.string().regex(/^[0-9a-f]{32}$/) };
const label = z.string().max(200);
const tail = { wrapped: z.base64(), checksum: z.string() };

const Keyslot = z.discriminatedUnion('type', [
  z.strictObject({ ...head, label, type: z.literal('passphrase'), kdf: Argon2Parameters, ...tail }),
  z.strictObject({ ...head, label, type: z.literal('recovery'), kdf: HkdfParameters, ...tail }),
  z.strictObject({ ...head, label, type: z.literal('shares'), kdf: ShamirParameters, ...tail }),
  z.strictObject({ ...head, label, type: z.literal('sealed'), kdf: ProviderParameters, ...tail }),
]);
export type Keyslot = z.infer<typeof Keyslot>;
export type KeyslotType = Keyslot['type'];
type HeadOf<T> = T extends Keyslot ? Omit<T, 'wrapped' | 'checksum'> : never;
/** What the wrapping authenticates. */
export type KeyslotHead = HeadOf<Keyslot>;

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const WRAPPED_BYTES = NONCE_BYTES + 2 * SECRET_BYTES + TAG_BYTES;
/** A slot of 64 shares has 5 KB; whatever is larger was not written by us and isn't read into memory. */
export const MAX_KEYSLOT_BYTES = 64 * 1024;

/** Wraps both secrets; the file's bytes are exactly this text. */
export function sealKeyslot(slot: KeyslotHead, key: Buffer, { masterKey, identitySecret }: RepositorySecrets): Buffer {
  const associatedData = JSON.stringify(slot);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(associatedData));
  const sealed = [cipher.update(masterKey), cipher.update(identitySecret), cipher.final(), cipher.getAuthTag()];
  const wrapped = Buffer.concat([nonce, ...sealed]).toString('base64');
  return Buffer.from(withTail(associatedData, wrapped));
}

/** undefined when the key is not this slot's. */
export function unsealKeyslot(slot: Keyslot, key: Buffer): RepositorySecrets | undefined {
  const wrapped = Buffer.from(slot.wrapped, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, wrapped.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(associatedText(JSON.stringify(slot))));
  decipher.setAuthTag(wrapped.subarray(-TAG_BYTES));
  const secrets = decipher.update(wrapped.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return { masterKey: Buffer.from(secrets.subarray(0, SECRET_BYTES)), identitySecret: Buffer.from(secrets.subarray(SECRET_BYTES)) };
}

/**
 * Refuses a slot that isn't byte for byte what a writer makes. `name` is the file's.
 * Throws `repository_damaged`, or `repository_unsupported` for a whole slot of a type that this version doesn't know.
 */
export function parseKeyslot(name: string, file: Buffer): Keyslot {
  const text = file.toString('utf8');
  const damaged = (why: string, cause?: unknown): RahatError => new RahatError('repository_damaged', `Keyslot ${name} ${why}.`, { cause });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw damaged('cannot be understood', error);
  }
  const outline = z.looseObject({ id: z.string(), type: z.string(), wrapped: z.string(), checksum: z.string() }).safeParse(json);
  if (!outline.success) throw damaged('cannot be understood', outline.error);
  // The text itself, not what JSON makes of it, so that nothing can hide in white space or repeated fields.
  if (withTail(associatedText(text), outline.data.wrapped) !== text) throw damaged('is damaged: its checksum is wrong');
  if (!Keyslot.options.some(({ shape }) => shape.type.value === outline.data.type)) {
    throw new RahatError(
      'repository_unsupported',
      `Keyslot ${name} has the type "${outline.data.type}", which this version does not know.`,
    );
  }
  const slot = Keyslot.safeParse(json);
  if (!slot.success || JSON.stringify(slot.data) !== text) throw damaged('cannot be understood', slot.error);
  if (Buffer.from(slot.data.wrapped, 'base64').length !== WRAPPED_BYTES) throw damaged('is damaged: its length is wrong');
  return slot.data;
}

/** The same JSON without `wrapped` and `checksum`. */
function associatedText(text: string): string {
  return `${text.slice(0, Math.max(text.lastIndexOf(',"wrapped":'), 0))}}`;
}

/** No secret is in the checksum; it tells a damaged slot from a wrong key. */
function withTail(associatedData: string, wrapped: string): string {
  const checksum = createHash('sha256').update(associatedData).update(wrapped).digest('hex');
  return `${associatedData.slice(0, -1)},"wrapped":${JSON.stringify(wrapped)},"checksum":"${checksum}"}`;
}
