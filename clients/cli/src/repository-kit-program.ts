import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { PATH, PATH_HELP, PATH_OF_KIT_HELP } from './repository-options.js';

type Kit = typeof import('./commands/repository-kit.js');

/** What is kept on paper for the day on which nothing else is left, and the proof that it is enough. */
export function addKitCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  repository: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const load = () => import('./commands/repository-kit.js');
  repository
    .command('kit')
    .description('make a recovery kit: a new recovery key, or shares of one, with all that a restore needs, as a file to print')
    .requiredOption(PATH, PATH_HELP)
    .requiredOption('--to <file>', 'kit.pdf or kit.txt; of shares kit-1-of-5.pdf and so on are made; no file is overwritten')
    .option('--name <text>', 'what its owners call the repository')
    .option('--shares <k/n>', '3/5 makes five sheets, of which any three are needed')
    .action(run(async (terminal, options: Parameters<Kit['makeKit']>[1]) => (await load()).makeKit(terminal, options)));
  repository
    .command('drill')
    .description(
      'prove that a kit and the storage are enough: restores a snapshot on a server of its own and compares every table; exit code 1 if it is damaged',
    )
    .option(PATH, PATH_OF_KIT_HELP)
    .option('--snapshot <id>', 'id, its beginning, or latest', 'latest')
    .action(run(async (terminal, options: Parameters<Kit['drill']>[1]) => (await load()).drill(terminal, options)));
}
