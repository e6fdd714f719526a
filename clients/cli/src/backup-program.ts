import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { collected } from './option-values.js';

const BACKUP = 'id, its beginning, or latest';

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
