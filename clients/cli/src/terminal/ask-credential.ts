import { readFile, stat } from 'node:fs/promises';
import { RahatError } from '@rahat/contracts';
import { readKitFile, readPrintedKeys, type SlotCredential } from '@rahat/execution';
import { askAtTerminal, askSecret, type SecretSource } from './ask-secret.js';

export const WAYS_IN = ['passphrase', 'recovery-key', 'shares'] as const;
export type WayIn = (typeof WAYS_IN)[number];

/** What opens a repository; the secret itself is never a flag. */
export interface CredentialSource {
  /** What is asked for; the passphrase where nothing is said. */
  with?: string;
  /** Files with a printed recovery key or shares of one; a recovery kit will do, as text or as PDF. */
  keyFile?: string[];
}

export async function askCredential(
  { with: wayIn = 'passphrase', keyFile }: CredentialSource,
  passphrase: SecretSource,
): Promise<SlotCredential> {
  if (keyFile !== undefined) return readPrintedKeys(await readKeyFiles(keyFile));
  switch (parseWayIn(wayIn)) {
    case 'passphrase':
      return { type: 'passphrase', passphrase: await askSecret(passphrase) };
    case 'recovery-key':
      return readPrintedKeys([await askSecret({ label: 'Recovery key, as it is printed', variable: 'RAHAT_RECOVERY_KEY' })]);
    case 'shares':
      return readPrintedKeys(await askShares());
  }
}

export function parseWayIn(text: string): WayIn {
  const way = WAYS_IN.find((name) => name === text);
  if (way) return way;
  throw new RahatError('invalid_input', `There is no way in named "${text}".`, { hint: `Use ${WAYS_IN.join(', ')}.` });
}

async function askShares(): Promise<string[]> {
  if (!process.stdin.isTTY)
    throw new RahatError('invalid_input', 'Shares of the recovery key are needed.', {
      hint: 'Give --key-file FILE…, a file for each share, or run this on a terminal to be asked.',
    });
  const shares: string[] = [];
  for (;;) {
    const share = await askAtTerminal(`Share ${shares.length + 1}, as it is printed (nothing = that was all)`);
    if (share === '') return shares;
    shares.push(share);
  }
}

/** The texts of recovery kits, or of keys alone. */
export function readKeyFiles(files: string[]): Promise<string[]> {
  return Promise.all(files.map(readKeyFile));
}

/** A kit has some tens of kilobytes. */
const MAX_KEY_FILE_BYTES = 8 * 1024 * 1024;

async function readKeyFile(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > MAX_KEY_FILE_BYTES) throw new RahatError('invalid_input', 'it is larger than any recovery kit.');
    return await readKitFile(await readFile(file));
  } catch (cause) {
    const { message, hint } = cause instanceof RahatError ? cause : { message: (cause as Error).message, hint: undefined };
    throw new RahatError('invalid_input', `The file ${file} cannot be read: ${message}`, { hint, cause });
  }
}
