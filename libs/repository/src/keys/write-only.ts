import { RahatError } from '@rahat/contracts';
import { z } from 'zod';
import { deriveKeys, deriveWriteOnlyKeys, SECRET_BYTES, type RepositoryKeys, type RepositorySecrets } from './derivation.js';

const Key = z.base64().refine((text) => Buffer.from(text, 'base64').length === SECRET_BYTES, `a key has ${SECRET_BYTES} bytes`);

/** File of a credential that writes into a repository and can't read what others wrote (repository.md §4). Keys are base64. */
export const WriteOnlyCredential = z.strictObject({
  format: z.literal('rahat-write-only-credential'),
  version: z.literal(1),
  /** Hex of the repository id. */
  repository: z.string().regex(/^[0-9a-f]{32}$/),
  identitySecret: Key,
  metadataKey: Key,
  packPublicKey: Key,
});
export type WriteOnlyCredential = z.infer<typeof WriteOnlyCredential>;

/** Throws `invalid_input`; never quotes the text. */
export function parseWriteOnlyCredential(text: string): WriteOnlyCredential {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new RahatError('invalid_input', 'The write-only credential is not JSON.');
  }
  const parsed = WriteOnlyCredential.safeParse(json);
  if (!parsed.success) throw new RahatError('invalid_input', 'This is not a write-only credential of version 1.');
  return parsed.data;
}

export function writeOnlyCredential(repositoryId: string, secrets: RepositorySecrets): WriteOnlyCredential {
  const { metadata, packPublic } = deriveKeys(secrets);
  return {
    format: 'rahat-write-only-credential',
    version: 1,
    repository: repositoryId,
    identitySecret: secrets.identitySecret.toString('base64'),
    metadataKey: metadata.toString('base64'),
    packPublicKey: packPublic.toString('base64'),
  };
}

export function writeOnlyKeys(credential: WriteOnlyCredential): RepositoryKeys {
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
  return deriveWriteOnlyKeys(bytes(credential.identitySecret), {
    metadata: bytes(credential.metadataKey),
    packPublic: bytes(credential.packPublicKey),
  });
}
