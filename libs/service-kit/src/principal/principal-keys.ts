import { createPrivateKey, createPublicKey, hkdfSync, randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import path from 'node:path';
import { RahatError } from '@rahat/contracts';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { createPrincipalSigner, createPrincipalVerifier, type PrincipalSigner, type PrincipalVerifier } from './principal-token.js';

export interface PrincipalKeys {
  signer: PrincipalSigner;
  verifier: PrincipalVerifier;
  /** A further secret of the installation, the same wherever this key is. */
  deriveKey(purpose: string): Buffer;
}

const KEY_FILE = 'principal-key.json';

/** Reads the ES256 key of the principal tokens from `folder`, or makes it there (mode 0600) when there is none. */
export async function openPrincipalKeys(folder: string): Promise<PrincipalKeys> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, KEY_FILE);
  return keysFrom((await readKey(file)) ?? (await makeKey(file)));
}

/** For a process that must have the same key as all others, and therefore never makes one. */
export async function readPrincipalKeys(file: string): Promise<PrincipalKeys> {
  const key = await readKey(file);
  if (!key)
    throw new RahatError('configuration_invalid', `There is no key file ${file}`, {
      hint: 'Set RAHAT_PRINCIPAL_KEY_PATH to the file that all services of this installation share.',
    });
  return keysFrom(key);
}

/** Of this process alone: what it signs nobody believes, and it believes nobody. */
export async function makePrincipalKeys(): Promise<PrincipalKeys> {
  return keysFrom(await newKey());
}

function keysFrom(privateJwk: JWK): PrincipalKeys {
  const privateKey = createPrivateKey({ key: privateJwk, format: 'jwk' });
  return {
    signer: createPrincipalSigner(privateKey),
    verifier: createPrincipalVerifier(createPublicKey(privateKey)),
    deriveKey: (purpose) => Buffer.from(hkdfSync('sha256', Buffer.from(privateJwk.d!, 'base64url'), '', `rahat.${purpose}`, 32)),
  };
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return exportJWK(privateKey);
}

async function readKey(file: string): Promise<JWK | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new RahatError('configuration_invalid', `Could not read the key file ${file}`, { cause });
  }
  try {
    const key = JSON.parse(text) as JWK;
    if (key.kty !== 'EC' || key.crv !== 'P-256' || !key.d) throw new Error('not a private P-256 key');
    return key;
  } catch {
    // The cause would quote the file, which is a secret.
    throw new RahatError('configuration_invalid', `The key file ${file} is damaged`, {
      hint: 'Remove it; a new one is made at the next start.',
    });
  }
}

/** Whole or not at all: several processes may start at once, and the first one's key is everyone's. */
async function makeKey(file: string): Promise<JWK> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(JSON.stringify(await newKey()));
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  return (await readKey(file))!;
}
