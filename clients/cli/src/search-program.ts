import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { collected } from './option-values.js';

type Search = typeof import('./commands/search.js');

/** Looking for things, and keeping how one looked. */
export function addSearchCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const commands = () => import('./commands/search.js');
  const search = program.command('search').description('find servers, plans, runs and backups by words; keep searches');
  search
    .command('words', { isDefault: true })
    .description('find what holds all of these words, or words that begin with them')
    .argument('<words...>')
    .option('--limit <n>', 'of each kind', '10')
    .action(run(async (terminal, words: string[], options: { limit: string }) => (await commands()).search(terminal, words, options)));
  search
    .command('save')
    .description('keep a list with its filters for everybody of the organization')
    .argument('<name>')
    .requiredOption('--in <list>', 'servers, plans, runs or backups')
    .option('--filter <key=value>', 'as the list takes it: q=orders, tag=env=prod, proof=FULL, since=7d …; repeatable', collected)
    .action(
      run(async (terminal, name: string, options: Parameters<Search['saveSearch']>[2]) =>
        (await commands()).saveSearch(terminal, name, options),
      ),
    );
  search.command('list').action(run(async (terminal) => (await commands()).listSearches(terminal)));
  search
    .command('run')
    .argument('<name>')
    .option('--limit <n>', 'newest first', '50')
    .action(run(async (terminal, name: string, options: { limit: string }) => (await commands()).runSearch(terminal, name, options)));
  search
    .command('remove')
    .argument('<name>')
    .action(run(async (terminal, name: string) => (await commands()).removeSearch(terminal, name)));
}
