import { createReadStream, readFileSync } from 'node:fs';
import { ReaderError } from './reader-error.js';

const [ENTER, LINE_FEED, CTRL_C, CTRL_D, BACKSPACE, DELETE] = ['\r', '\n', '\u0003', '\u0004', '\u0008', '\u007f'];

/** From a file, or asked for at the terminal without showing it; never from the arguments, which every user of the machine can see. */
export async function readPassphrase(file: string | undefined): Promise<string> {
  if (file !== undefined) return passphraseIn(file);
  if (process.stdin.isTTY) return askAtTerminal();
  throw new ReaderError('usage', 'There is no terminal to ask for the passphrase at. Give --passphrase-file FILE (or /dev/stdin).');
}

/** One line break at the end belongs to the editor, not to the passphrase. */
function passphraseIn(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ReaderError('usage', `The passphrase file can't be read: ${(cause as Error).message}`, { cause });
  }
  const passphrase = text.replace(/\r?\n$/, '');
  if (passphrase === '') throw new ReaderError('usage', `The passphrase file ${file} is empty`);
  return passphrase;
}

async function askAtTerminal(): Promise<string> {
  process.stderr.write('Passphrase of the repository: ');
  const input = createReadStream('', { fd: process.stdin.fd, autoClose: false, encoding: 'utf8', highWaterMark: 1 });
  process.stdin.setRawMode(true);
  let typed = '';
  try {
    for await (const text of input as AsyncIterable<string>) {
      for (const character of text) {
        if (character === CTRL_C) throw new ReaderError('usage', 'Cancelled');
        if (character === ENTER || character === LINE_FEED || character === CTRL_D) return typed;
        typed = character === BACKSPACE || character === DELETE ? [...typed].slice(0, -1).join('') : typed + character;
      }
    }
    return typed;
  } finally {
    process.stdin.setRawMode(false);
    process.stderr.write('\n');
  }
}
