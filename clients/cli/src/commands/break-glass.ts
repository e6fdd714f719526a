import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { RahatError, type SerializedRahatError } from '@rahat/contracts';
import { askNewSecret } from '../terminal/ask-secret.js';
import { visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

/** Of the platform, when this command belongs to an installation. */
const PROGRAM = fileURLToPath(new URL('../../../../services/standalone/dist/break-glass.js', import.meta.url));

type Answer = { ok: true; data: { user: string; token?: string; expiresAt?: string } } | { ok: false; error: SerializedRahatError };

/** Works when nobody can log in any more: on the machine of the platform, for whoever may read its keys. */
export async function resetPassword(terminal: Terminal, options: { email: string; dataFolder?: string; set: boolean }): Promise<void> {
  if (!existsSync(PROGRAM))
    throw new RahatError('configuration_invalid', 'This command works on the machine of the platform only.', {
      hint: 'Run it in the folder of the installation, as the user that runs the platform.',
    });
  const password = options.set
    ? await askNewSecret({ label: 'New password (12 characters or more)', variable: 'RAHAT_NEW_PASSWORD' })
    : undefined;
  const dataFolder = path.resolve(options.dataFolder ?? process.env['RAHAT_DATA_DIR'] ?? '.data');
  const answer = await ask({ action: 'reset-password', dataFolder, email: options.email, password });
  if (!answer.ok) throw RahatError.deserialize(answer.error);
  const { token, expiresAt } = answer.data;
  terminal.result(
    answer.data,
    token === undefined
      ? `The password of ${visible(options.email)} is set; all sessions have ended.`
      : `This token sets a new password of ${visible(options.email)}, once, until ${expiresAt}:\n${token}\nUse it with: rahat-backup user new-password`,
  );
}

/** By standard input: neither e-mail nor password stand in a list of processes. */
async function ask(order: object): Promise<Answer> {
  // Ours may hold secrets, and none of them is needed there.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RAHAT_')));
  const child = spawn(process.execPath, [PROGRAM], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => undefined); // it says why it ended in its answer
  child.stdin.end(JSON.stringify(order));
  const [stdout] = await Promise.all([text(child.stdout), once(child, 'close')]);
  try {
    return JSON.parse(stdout) as Answer;
  } catch (cause) {
    throw new RahatError('internal', 'The program of the platform gave no answer.', { cause });
  }
}
