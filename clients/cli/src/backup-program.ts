import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { collected, wholeNumber } from './option-values.js';

const BACKUP = 'id, its beginning, or latest';
const NAMES = 'names with dots in double quotes';

/** Backups, what they prove, and what becomes of them. */
export function addBackupCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const backup = program.command('backup').description('backups and their proofs');
  backup
    .command('create')
    .description('back up now')
    .argument('<plan>', 'name or id')
    .option('--type <type>', 'full, differential, incremental or log, as the method makes them', 'full')
    .option('--follow', 'wait for the end and for the proof', false)
    .action(
      run(async (terminal, name: string, options: { follow: boolean; type: string }) =>
        (await import('./commands/backups.js')).createBackup(terminal, name, options),
      ),
    );
  backup
    .command('list')
    .option('--server <server>', 'name or id')
    .option('--database <name>')
    .option('--plan <plan>', 'name or id')
    .option('--state <state>', 'succeeded or partial')
    .option('--proof <proof>', 'stored, BASIC, DATABASE, FULL or damaged')
    .option('--type <type>', 'full, differential, incremental or log')
    .option('--tag <tags>', 'key or key=value; several with commas')
    .option('--since <time>', '2026-11-20, 2026-11-20T14:00:00Z, or so long ago: 24h, 7d')
    .option('--until <time>')
    .option('--search <words>', 'words that stand in it, or begin one')
    .option('--removed', 'also those that were removed', false)
    .option('--limit <n>', 'newest first', '50')
    .action(
      run(async (terminal, options: Parameters<typeof import('./commands/backups.js').listBackups>[1]) =>
        (await import('./commands/backups.js')).listBackups(terminal, options),
      ),
    );
  backup
    .command('show')
    .argument('<backup>', BACKUP)
    .action(run(async (terminal, id: string) => (await import('./commands/backups.js')).showBackup(terminal, id)));
  backup
    .command('verify')
    .argument('<backup>', BACKUP)
    .option('--level <level>', 'BASIC, DATABASE or FULL', 'FULL')
    .option('--follow', 'wait for the end', false)
    .action(
      run(async (terminal, id: string, options: { level: string; follow: boolean }) =>
        (await import('./commands/backups.js')).verifyBackup(terminal, id, options),
      ),
    );

  backup
    .command('hold')
    .description('keep a backup whatever retention says, until it is released')
    .argument('<backup>', BACKUP)
    .requiredOption('--reason <text>', 'why it must stay')
    .action(
      run(async (terminal, id: string, options: { reason: string }) =>
        (await import('./commands/backup-holds.js')).holdBackup(terminal, id, options),
      ),
    );
  backup
    .command('release')
    .description('leave a held backup to retention again')
    .argument('<backup>', BACKUP)
    .action(run(async (terminal, id: string) => (await import('./commands/backup-holds.js')).releaseBackup(terminal, id)));
  backup
    .command('compare')
    .description('what differs between two backups, or between a backup and its database as it is; exit code 7 if anything does')
    .argument('<older>', BACKUP)
    .argument('[newer]', 'the same; without it the database as it is')
    .option('--table <schema.table...>', 'only these')
    .option('--schema-only', 'definitions, no rows', false)
    .option('--follow', 'wait for the end', false)
    .action(
      run(async (terminal, older: string, newer: string | undefined, options: import('./commands/compare.js').CompareOnPlatform) =>
        (await import('./commands/compare.js')).compareBackup(terminal, older, newer, options),
      ),
    );
  backup
    .command('browse')
    .description('list the schemas and tables of a backup with their rows and sizes, show the SQL that makes an object, or some rows')
    .argument('<backup>', BACKUP)
    .option('--schema <name>', 'only this schema')
    .option('--object <schema.name>', `the SQL of a table with its indexes and constraints, a view, a function …; ${NAMES}`)
    .option('--rows <schema.table>', `rows of a table, one of a line; ${NAMES}`)
    .option('--offset <n>', 'with --rows: so many are passed over', wholeNumber, 0)
    .option('--limit <n>', 'with --rows: so many at most', wholeNumber, 100)
    .action(
      run(async (terminal, id: string, options: import('./commands/browse-backup.js').BrowseBackupOptions) =>
        (await import('./commands/browse-backup.js')).browseOnPlatform(terminal, id, options),
      ),
    );
  backup
    .command('download')
    .description('write a table of a backup, or its roles and tablespaces, to a file or to the standard output')
    .argument('<backup>', BACKUP)
    .option('--table <schema.table>', `with the rows of its partitions; ${NAMES}`)
    .option('--globals', 'roles and tablespaces as SQL', false)
    .option('--format <format>', 'sql (INSERT statements), csv (RFC 4180; NULL is empty, an empty text is "") or json-lines', 'csv')
    .option('--formula-safe', 'csv: an apostrophe before what a spreadsheet would take for a formula; no exact copy then', false)
    .option('--to <file>', 'a new file; no file is overwritten')
    .action(
      run(async (terminal, id: string, options: import('./commands/offline-browse.js').DownloadChoice) =>
        (await import('./commands/browse-backup.js')).downloadFromPlatform(terminal, id, options),
      ),
    );
  backup
    .command('remove')
    .description('move a backup to the trash, as far as the floor of proven backups, holds and chains allow it')
    .argument('<backup>', BACKUP)
    .requiredOption('--reason <text>', 'why it may go')
    .action(
      run(async (terminal, id: string, options: { reason: string }) =>
        (await import('./commands/trash.js')).removeBackup(terminal, id, options),
      ),
    );
  backup
    .command('bring-back')
    .description('undo a removal; the backup comes back with its proof, and is held')
    .argument('<backup>', 'id')
    .action(run(async (terminal, id: string) => (await import('./commands/trash.js')).bringBack(terminal, id)));
  backup
    .command('trash')
    .description('removed backups that can still be brought back, and until when')
    .option('--repository <repository>', 'name or id')
    .option('--limit <n>', 'the last one that was removed first', '50')
    .action(
      run(async (terminal, options: Parameters<typeof import('./commands/trash.js').listTrash>[1]) =>
        (await import('./commands/trash.js')).listTrash(terminal, options),
      ),
    );
  backup
    .command('tag')
    .argument('<backup>', BACKUP)
    .option('--add <tag>', 'key or key=value; repeatable', collected)
    .option('--remove <tag>', 'repeatable', collected)
    .action(
      run(async (terminal, id: string, options: { add?: string[]; remove?: string[] }) =>
        (await import('./commands/annotations.js')).tagBackup(terminal, id, options),
      ),
    );
  backup
    .command('note')
    .description('write a note on a backup; an empty one takes it away')
    .argument('<backup>', BACKUP)
    .argument('<text>')
    .action(run(async (terminal, id: string, text: string) => (await import('./commands/annotations.js')).noteBackup(terminal, id, text)));
}
