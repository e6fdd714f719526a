import { describe, expect, it } from '@jest/globals';
import { retentionOf, type PlanOptions } from './commands/plan-options.js';
import { addPlanCommands } from './plan-program.js';
import { typedOptions } from './testing/typed-options.js';

const typed = (...args: string[]) => typedOptions<PlanOptions>(addPlanCommands, ['plan', ...args]);

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
