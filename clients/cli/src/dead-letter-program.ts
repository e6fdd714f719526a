import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';

/** For operators: what services said to each other in vain. */
export function addDeadLetterCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const letters = () => import('./commands/dead-letters.js');
  const command = program.command('dead-letter').description('messages between services that were given up');
  command
    .command('list')
    .description('all of them, and why')
    .action(run(async (terminal) => (await letters()).listDeadLetters(terminal)));
  command
    .command('show')
    .description('one of them, with what it said')
    .argument('<id>')
    .action(run(async (terminal, id: string) => (await letters()).showDeadLetter(terminal, id)));
  command
    .command('retry')
    .description('put it back to where it lay, with all its tries')
    .argument('<id>')
    .action(run(async (terminal, id: string) => (await letters()).retryDeadLetter(terminal, id)));
  command
    .command('discard')
    .description('drop it; what it asked for is not done')
    .argument('<id>')
    .action(run(async (terminal, id: string) => (await letters()).discardDeadLetter(terminal, id)));
}
