import { readFileSync } from 'node:fs';
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

/** Typed keys come one by one and aren't shown. */
async function askAtTerminal(): Promise<string> {
  const { stdin } = process;
  // Before the question is seen: who answers at once would see it on the screen, and Ctrl+C would end the process.
  stdin.setRawMode(true).setEncoding('utf8');
  process.stderr.write('Passphrase of the repository: ');
  let typed = '';
  try {
    return await new Promise<string>((resolve, reject) => {
      stdin.once('error', reject).once('end', () => resolve(typed));
      stdin.on('data', (text: string) => {
        for (const key of text) {
          if (key === CTRL_C) reject(new ReaderError('usage', 'Cancelled'));
          else if (key === ENTER || key === LINE_FEED || key === CTRL_D) resolve(typed);
          else typed = key === BACKSPACE || key === DELETE ? [...typed].slice(0, -1).join('') : typed + key;
        }
      });
    });
  } finally {
    stdin.removeAllListeners('data').setRawMode(false).pause();
    process.stderr.write('\n');
  }
}
