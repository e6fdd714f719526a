import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { apiKeysCreate } from '@rahat/api-client';
import { data, type Platform } from '@rahat/demo';

export const COMMAND = fileURLToPath(new URL('../../clients/cli/bin/rahat-backup.mjs', import.meta.url));

export interface CliResult<T> {
  exitCode: number | null;
  /** `data` of the --json envelope. */
  data: T;
  error?: { code: string; message: string; hint?: string };
  stderr: string;
}

/** The command as a user runs it, with its own configuration folder. */
export async function rahatBackup<T = unknown>(args: string[], environment: NodeJS.ProcessEnv): Promise<CliResult<T>> {
  const child = spawn(process.execPath, [COMMAND, ...args, '--json'], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  const line = stdout.trim();
  const envelope = (line.startsWith('{') ? JSON.parse(line) : {}) as { data: T; error?: CliResult<T>['error'] };
  return { exitCode, data: envelope.data, error: envelope.error, stderr };
}

/** What the command needs to reach a platform, as an API key that may do everything. */
export async function cliEnvironment({ client, url }: Platform): Promise<NodeJS.ProcessEnv> {
  const { secret } = await data(apiKeysCreate({ client, body: { name: 'e2e', scopes: ['*'] } }));
  return { RAHAT_URL: url, RAHAT_TOKEN: secret };
}
