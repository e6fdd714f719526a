import { readFileSync } from 'node:fs';
import { readShare } from './format/key-shares.js';
import { ReaderError } from './reader-error.js';

const [ENTER, LINE_FEED, CTRL_C, CTRL_D, BACKSPACE, DELETE] = ['\r', '\n', '\u0003', '\u0004', '\u0008', '\u007f'];
/** A key in the text of a recovery kit. */
const KIT_KEY = /^-+ BEGIN (RECOVERY KEY|SHARE) -+\r?\n([^]*?)^-+ END \1 -+\r?$/gm;

/**
 * A passphrase, a recovery key, or shares: from files, or asked for at the terminal without showing them; never from the arguments,
 * which every user of the machine can see.
 */
export async function readKeys(files: readonly string[]): Promise<string[]> {
  if (files.length > 0) return files.flatMap(keysIn);
  if (!process.stdin.isTTY)
    throw new ReaderError('usage', 'There is no terminal to ask for the passphrase at. Give --passphrase-file FILE (or /dev/stdin).');
  const keys = [await askAtTerminal('Passphrase, recovery key or first share: ')];
  if (typeof readShare(keys[0]!) === 'string') return keys;
  for (let share; (share = await askAtTerminal('Next share (Enter alone after the last): ')) !== '';) keys.push(share);
  return keys;
}

function keysIn(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ReaderError('usage', `The passphrase file can't be read: ${(cause as Error).message}`, { cause });
  }
  const ofKits = [...text.matchAll(KIT_KEY)].map(([, , key]) => key!);
  if (ofKits.length > 0) return ofKits;
  // One line break at the end belongs to the editor, not to the passphrase.
  const passphrase = text.replace(/\r?\n$/, '');
  if (passphrase === '') throw new ReaderError('usage', `The passphrase file ${file} is empty`);
  return [passphrase];
}

/** Typed keys come one by one and aren't shown. */
async function askAtTerminal(question: string): Promise<string> {
  const { stdin } = process;
  // Before the question is seen: who answers at once would see it on the screen, and Ctrl+C would end the process.
  stdin.setRawMode(true).setEncoding('utf8');
  process.stderr.write(question);
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
      stdin.resume();
    });
  } finally {
    stdin.removeAllListeners('data').setRawMode(false).pause();
    process.stderr.write('\n');
  }
}
