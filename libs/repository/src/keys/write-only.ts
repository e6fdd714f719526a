import { RahatError, WriteOnlyCredential } from '@rahat/contracts';
import { deriveKeys, deriveWriteOnlyKeys, type RepositoryKeys, type RepositorySecrets } from './derivation.js';

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
