import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { wholeNumber } from './option-values.js';
import { PATH, PATH_OF_KIT_HELP } from './repository-options.js';

/** A backup of a whole server, to look at as a server. */
export function addInspectCommand<Args extends unknown[], Opts extends Record<string, unknown>>(
  repository: Command<Args, Opts>,
  run: CommandRunner,
): void {
  repository
    .command('inspect')
    .description(
      'physical backups: start the server as it was at a moment, to be read with psql until Ctrl+C, or to be promoted from there',
    )
    .option(PATH, PATH_OF_KIT_HELP)
    .option('--snapshot <id>', 'id, its beginning, or latest', 'latest')
    .requiredOption('--folder <path>', 'an empty folder for its files; removed at the end, unless the server is promoted')
    .option('--to-time <time>', 'of a server whose log is kept: replay up to this moment, e.g. 2026-11-27T14:05:00Z')
    .option('--to-lsn <position>', 'up to this position of the log, e.g. 16/B374D848')
    .option('--to-transaction <id>', 'up to this transaction')
    .option('--to-name <name>', 'up to this named restore point')
    .option('--to-end', 'replay all log that is there', false)
    .option('--before', 'just before the moment, position or transaction, without it', false)
    .option('--timeline <n>', 'a history that the server left', wholeNumber)
    .option('--stream <stream>', 'which log, where the repository holds several of the server')
    .option('--user <role>', 'a role of the server that may log in, best a superuser', 'postgres')
    .action(
      run(async (terminal, options: Parameters<typeof import('./commands/offline-inspect.js').inspectServer>[1]) =>
        (await import('./commands/offline-inspect.js')).inspectServer(terminal, options),
      ),
    );
}
