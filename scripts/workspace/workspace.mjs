import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Progress goes to stderr: stdout belongs to the command's own result. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Ends with one sentence that says what is wrong and how to mend it. */
export function stop(sentence) {
  say(`\n✗ ${sentence}`);
  process.exit(1);
}
