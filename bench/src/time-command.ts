import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { RahatError } from '@rahat/contracts';

/** Wall seconds of a command that must succeed. The password is one of a throwaway server made for the measurement. */
export async function timeCommand(command: string, args: string[], password?: string): Promise<number> {
  const started = performance.now();
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...(password === undefined ? {} : { PGPASSWORD: password }) },
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (code !== 0) throw new RahatError('tool_failed', `${command} ended with ${signal ?? code}`);
  return (performance.now() - started) / 1000;
}
