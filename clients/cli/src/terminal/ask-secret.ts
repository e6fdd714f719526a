import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { RahatError } from '@rahat/contracts';

/** Where a secret may come from; never from a flag (libraries.md §2.9). */
export interface SecretSource {
  /** Asked on a terminal, e.g. `Passphrase of the repository`. */
  label: string;
  /** Environment variable; with `_FILE` appended, a file that holds it. */
  variable: string;
  fromStdin?: boolean;
}

export async function askSecret(source: SecretSource): Promise<string> {
  if (source.fromStdin) return withoutLineEnd(await text(process.stdin));
  const value = process.env[source.variable];
  if (value !== undefined) return value;
  const file = process.env[`${source.variable}_FILE`];
  if (file !== undefined) return withoutLineEnd(await readFile(file, 'utf8'));
  if (!process.stdin.isTTY) {
    throw new RahatError('invalid_input', `${source.label} is needed.`, {
      hint: `Set ${source.variable} or ${source.variable}_FILE, or run this on a terminal to be asked.`,
    });
  }
  return askAtTerminal(source.label);
}

/** What belongs to an access key of Amazon, or of a storage that speaks as it does. */
export function askAccessKeySecret(accessKeyId: string, fromStdin?: boolean): Promise<string> {
  return askSecret({ label: `Secret of the access key ${accessKeyId}`, variable: 'RAHAT_SECRET_KEY', fromStdin });
}

/** A secret that doesn't exist yet: typed twice on a terminal, because nobody sees a mistake in it. */
export async function askNewSecret(source: SecretSource): Promise<string> {
  const secret = await askSecret(source);
  const asked = process.env[source.variable] === undefined && process.env[`${source.variable}_FILE`] === undefined && !source.fromStdin;
  if (asked && (await askAtTerminal(`${source.label}, once more`)) !== secret)
    throw new RahatError('invalid_input', 'The two do not agree.', { hint: 'Nothing was changed; try again.' });
  return secret;
}

/** Asks on the terminal, which doesn't show the answer. */
export async function askAtTerminal(label: string): Promise<string> {
  const { password, isCancel } = await import('@clack/prompts');
  const answer = await password({ message: label, output: process.stderr });
  if (isCancel(answer)) throw new RahatError('cancelled', 'Cancelled.');
  // Nothing typed comes as undefined.
  return answer ?? '';
}

const withoutLineEnd = (value: string) => value.replace(/\r?\n$/, '');
