import { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from '../command-runner.js';

/** The options that a command is given, as Commander reads them from what was typed. */
export async function typedOptions<Options>(
  addCommands: (program: Command, run: CommandRunner) => void,
  typed: string[],
): Promise<Options> {
  let given: unknown[] = [];
  const run: CommandRunner =
    () =>
    async (...argumentsOfAction) =>
      void (given = argumentsOfAction);
  const program = new Command();
  addCommands(program, run);
  await program.parseAsync(typed, { from: 'user' });
  return given.find((argument) => argument !== null && typeof argument === 'object') as Options;
}
