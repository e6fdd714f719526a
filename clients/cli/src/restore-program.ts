import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { wholeNumber } from './option-values.js';

/** Restore plans, and the restores that carry them out. */
export function addRestoreCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const restore = program.command('restore').description('bring data back, proven exactly');
  restore
    .command('plan')
    .description('say what a restore would do; changes nothing')
    .argument('[backup]', 'id, its beginning, or latest; with a moment it may be left out, and is picked')
    .option('--server <server>', 'without a backup: whose moment is wanted')
    .option('--to-time <time>', 'physical backups with log: replay up to this moment, e.g. 2026-11-27T14:05:00Z')
    .option('--to-lsn <position>', 'up to this position of the log, e.g. 16/B374D848')
    .option('--to-transaction <id>', 'up to this transaction; needs a backup')
    .option('--to-name <name>', 'up to this named restore point; needs a backup')
    .option('--to-end', 'replay all log that is there', false)
    .option('--before', 'just before the moment, position or transaction, without it', false)
    .option('--timeline <n>', 'a history that the server left', wholeNumber)
    .option('--to-server <server>', 'another server than the one it came from')
    .option('--as <name>', 'name of the new database')
    .option('--replace <name>', 'swap it in for this existing database')
    .option('--folder <path>', 'physical backups: absolute path on the worker')
    .option('--table <schema.table...>', 'only these tables')
    .option('--into <name>', 'with --table: bring them into this existing database')
    .option('--no-owner', 'everything belongs to the restoring user')
    .option('--no-acl', 'without grants')
    .action(
      run(async (terminal, id: string | undefined, options: Parameters<typeof import('./commands/restores.js').planRestore>[2]) =>
        (await import('./commands/restores.js')).planRestore(terminal, id, options),
      ),
    );
  restore
    .command('run')
    .description('carry out an unchanged plan')
    .argument('<plan>', 'id that `restore plan` printed')
    .option('--confirm <name>', 'what will be replaced')
    .option('--follow', 'wait for the end', false)
    .action(
      run(async (terminal, id: string, options: { confirm?: string; follow: boolean }) =>
        (await import('./commands/restores.js')).runRestore(terminal, id, options),
      ),
    );
}
