import { describe, expect, it } from '@jest/globals';
import { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { retentionOf, type PlanOptions } from './commands/plan-options.js';
import { addPlanCommands } from './plan-program.js';

/** The options that a command is given, as Commander reads them from what was typed. */
async function typed(...args: string[]): Promise<PlanOptions> {
  let given: unknown[] = [];
  const run: CommandRunner =
    () =>
    async (...argumentsOfAction) =>
      void (given = argumentsOfAction);
  const program = new Command();
  addPlanCommands(program, run);
  await program.parseAsync(['plan', ...args], { from: 'user' });
  return given.find((argument) => argument !== null && typeof argument === 'object') as PlanOptions;
}

describe('retention on the command line', () => {
  it.each([
    ['update', ['update', 'nightly']],
    ['create', ['create', '--name', 'nightly', '--repository', 'nas']],
  ])('loses a limit by none, with plan %s', async (_, command) => {
    expect(retentionOf(await typed(...command, '--keep-days', 'none', '--max-size', 'none'))).toEqual({ keepDays: null, maxBytes: null });
    expect(retentionOf(await typed(...command, '--keep-days', '30', '--max-size', '5GB'))).toEqual({ keepDays: 30, maxBytes: 5e9 });
    expect(retentionOf(await typed(...command))).toBeUndefined();
  });
});
