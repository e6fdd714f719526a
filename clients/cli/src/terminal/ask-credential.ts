import { readFile } from 'node:fs/promises';
import { RahatError } from '@rahat/contracts';
import { readPrintedKeys, type SlotCredential } from '@rahat/execution';
import { askAtTerminal, askSecret, type SecretSource } from './ask-secret.js';

export const WAYS_IN = ['passphrase', 'recovery-key', 'shares'] as const;
export type WayIn = (typeof WAYS_IN)[number];

/** What opens a repository; the secret itself is never a flag. */
export interface CredentialSource {
  /** What is asked for; the passphrase where nothing is said. */
  with?: string;
  /** Files with a printed recovery key or shares of one; the text of a recovery kit will do. */
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

export function readKeyFiles(files: string[]): Promise<string[]> {
  return Promise.all(files.map(readText));
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new RahatError('invalid_input', `The file ${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
