import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { wholeNumber } from './option-values.js';
import { PATH, PATH_OF_KIT_HELP } from './repository-options.js';

type Browse = typeof import('./commands/offline-browse.js');
type Compare = typeof import('./commands/offline-compare.js');

const SNAPSHOT = '--snapshot <id>';
const SNAPSHOT_HELP = 'id, its beginning, or latest';
const TABLE_HELP = 'names with dots in double quotes';

/** What lies in a backup: to look at, to take out, and beside another one. No database server is needed. */
export function addBrowseCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  repository: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const browse = () => import('./commands/offline-browse.js');
  repository
    .command('browse')
    .description('list the schemas and tables of a backup with their rows and sizes, or show the SQL that makes an object')
    .option(PATH, PATH_OF_KIT_HELP)
    .option(SNAPSHOT, SNAPSHOT_HELP, 'latest')
    .option('--schema <name>', 'only this schema')
    .option('--object <schema.name>', `the SQL of a table with its indexes and constraints, a view, a function …; ${TABLE_HELP}`)
    .action(run(async (terminal, options: Parameters<Browse['browseBackup']>[1]) => (await browse()).browseBackup(terminal, options)));
  repository
    .command('download')
    .description('write a table of a backup, or its roles and tablespaces, to a file or to the standard output')
    .option(PATH, PATH_OF_KIT_HELP)
    .option(SNAPSHOT, SNAPSHOT_HELP, 'latest')
    .option('--table <schema.table>', `with the rows of its partitions; ${TABLE_HELP}`)
    .option('--globals', 'roles and tablespaces as SQL', false)
    .option('--format <format>', 'sql (INSERT statements), csv (RFC 4180; NULL is empty, an empty text is "") or json-lines', 'csv')
    .option('--formula-safe', 'csv: an apostrophe before what a spreadsheet would take for a formula; no exact copy then', false)
    .option('--to <file>', 'a new file; no file is overwritten')
    .action(run(async (terminal, options: Parameters<Browse['downloadTable']>[1]) => (await browse()).downloadTable(terminal, options)));
  repository
    .command('compare')
    .description('what differs between two backups, or between a backup and a database as it is now; exit code 7 if anything does')
    .option(PATH, PATH_OF_KIT_HELP)
    .requiredOption('--older <id>', SNAPSHOT_HELP)
    .option('--newer <id>', SNAPSHOT_HELP, 'latest')
    .option('--database <url>', 'instead of --newer: postgresql://user@host:port/database; password from RAHAT_DB_PASSWORD')
    .option('--table <schema.table...>', `only these; ${TABLE_HELP}`)
    .option('--schema-only', 'definitions, no rows', false)
    .option('--samples <n>', 'rows of each kind that are shown for a table', wholeNumber, 5)
    .option('--undo <file>', 'a new file for SQL that makes the newer into the older, as one transaction')
    .action(
      run(async (terminal, options: Parameters<Compare['compareBackups']>[1]) =>
        (await import('./commands/offline-compare.js')).compareBackups(terminal, options),
      ),
    );
}
