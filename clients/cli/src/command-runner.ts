import type { Terminal } from './terminal/terminal.js';

/** Gives a command its terminal before its own arguments; global flags may stand before or after the command. */
export type CommandRunner = <A extends unknown[]>(
  action: (terminal: Terminal, ...args: A) => Promise<void>,
) => (...args: [...A, ...unknown[]]) => Promise<void>;
