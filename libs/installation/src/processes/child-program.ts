import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';

/**
 * A program that the kernel ends with `signal` when we are killed; where it can't (no setpriv), the program as it is.
 * `identity` are setpriv's own options.
 */
export function tiedToUs(
  program: string,
  args: readonly string[],
  signal: 'INT' | 'TERM',
  identity: readonly string[] = [],
): { command: string; args: string[]; tied: boolean } {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((file) => existsSync(file));
  if (!setpriv) return { command: program, args: [...args], tied: false };
  return { command: setpriv, args: ['--pdeathsig', signal, ...identity, '--', program, ...args], tied: true };
}

/** How a child ended, in words; undefined while it runs. */
export function becameOf(child: ChildProcess): string | undefined {
  if (child.signalCode !== null) return `was ended by ${child.signalCode}`;
  if (child.exitCode !== null) return `ended with code ${child.exitCode}`;
  return undefined;
}
