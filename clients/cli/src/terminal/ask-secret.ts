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
  const { password, isCancel } = await import('@clack/prompts');
  const answer = await password({ message: source.label, output: process.stderr });
  if (isCancel(answer)) throw new RahatError('cancelled', 'Cancelled.');
  return answer;
}

const withoutLineEnd = (value: string) => value.replace(/\r?\n$/, '');
