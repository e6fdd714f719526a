import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';

/** The platform's list of backups, which the repositories can give back. */
export function addCatalogCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const catalog = program.command('catalog').description('the platform’s list of backups');
  catalog
    .command('rebuild')
    .description(
      'record what the repositories hold and the catalog does not know, as after the metadata database was lost; removes nothing',
    )
    .option('--repository <repository>', 'name or id (default: all of them)')
    .option('--dry-run', 'only say what would be recorded', false)
    .option('--follow', 'wait for the end, and say what was found', false)
    .action(
      run(async (terminal, options: Parameters<typeof import('./commands/catalog.js').rebuildCatalog>[1]) =>
        (await import('./commands/catalog.js')).rebuildCatalog(terminal, options),
      ),
    );
}
