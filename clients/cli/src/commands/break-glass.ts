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

interface Done {
  user: string;
  token?: string;
  expiresAt?: string;
}
type Answer = { ok: true; data: Done } | { ok: false; error: SerializedRahatError };

interface ConsoleOptions {
  email: string;
  dataFolder?: string;
}

/** Works when nobody can log in any more: on the machine of the platform, for whoever may read its keys. */
export async function resetPassword(terminal: Terminal, options: ConsoleOptions & { set: boolean }): Promise<void> {
  demandPlatform();
  const password = options.set
    ? await askNewSecret({ label: 'New password (12 characters or more)', variable: 'RAHAT_NEW_PASSWORD' })
    : undefined;
  const data = await ask({ action: 'reset-password', ...placeOf(options), password });
  const { token, expiresAt } = data;
  terminal.result(
    data,
    token === undefined
      ? `The password of ${visible(options.email)} is set; all sessions have ended.`
      : `This token sets a new password of ${visible(options.email)}, once, until ${expiresAt}:\n${token}\nUse it with: rahat-backup user new-password`,
  );
}

/** For somebody who has lost the app and the recovery codes, when nobody else may help. */
export async function removeSecondFactors(terminal: Terminal, options: ConsoleOptions): Promise<void> {
  demandPlatform();
  const data = await ask({ action: 'remove-second-factors', ...placeOf(options) });
  terminal.result(data, `${visible(options.email)} logs in with the password alone from now on; all sessions have ended.`);
}

function demandPlatform(): void {
  if (existsSync(PROGRAM)) return;
  throw new RahatError('configuration_invalid', 'This command works on the machine of the platform only.', {
    hint: 'Run it in the folder of the installation, as the user that runs the platform.',
  });
}

function placeOf({ email, dataFolder }: ConsoleOptions): { email: string; dataFolder: string } {
  return { email, dataFolder: path.resolve(dataFolder ?? process.env['RAHAT_DATA_DIR'] ?? '.data') };
}

/** By standard input: neither e-mail nor password stand in a list of processes. */
async function ask(order: object): Promise<Done> {
  // Ours may hold secrets, and none of them is needed there.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RAHAT_')));
  const child = spawn(process.execPath, [PROGRAM], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => undefined); // it says why it ended in its answer
  child.stdin.end(JSON.stringify(order));
  const [stdout] = await Promise.all([text(child.stdout), once(child, 'close')]);
  const answer = parsed(stdout);
  if (!answer.ok) throw RahatError.deserialize(answer.error);
  return answer.data;
}

function parsed(stdout: string): Answer {
  try {
    return JSON.parse(stdout) as Answer;
  } catch (cause) {
    throw new RahatError('internal', 'The program of the platform gave no answer.', { cause });
  }
}
