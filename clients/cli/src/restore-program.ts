import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { lockWait, wholeNumber } from './option-values.js';
import { addPartOptions } from './part-options.js';
import { DRY_RUN_HELP } from './repository-options.js';

type SafetyCopies = typeof import('./commands/safety-copies.js');

const RESTORE_HELP = 'run of the restore, its beginning, or latest; with --database the name of its safety copy';
const LOCK_WAIT_HELP = 'so long the locks of others are waited for (default: 10)';
const DATABASE_HELP = 'without the platform: postgresql://user@host:port/database that was restored into; password from RAHAT_DB_PASSWORD';

/** Restore plans, and the restores that carry them out. */
export function addRestoreCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const restore = program.command('restore').description('bring data back, proven exactly');
  const safetyCopies = () => import('./commands/safety-copies.js');
  const plan = restore
    .command('plan')
    .description('say what a restore would do; changes nothing')
    .argument('[backup]', 'id, its beginning, or latest; with a moment it may be left out, and is picked');
  addPartOptions(plan);
  plan
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
  restore
    .command('undo')
    .description('put back exactly what was there before a restore into a live database')
    .argument('<restore>', RESTORE_HELP)
    .option('--force', 'also where it takes back what others wrote since', false)
    .option('--database <url>', DATABASE_HELP)
    .option('--dry-run', DRY_RUN_HELP, false)
    .option('--lock-wait <seconds>', LOCK_WAIT_HELP, lockWait)
    .option('--follow', 'wait for the end', false)
    .action(
      run(async (terminal, id: string, options: Parameters<SafetyCopies['undoRestore']>[2]) =>
        (await safetyCopies()).undoRestore(terminal, id, options),
      ),
    );
  restore
    .command('safety-copies')
    .description('restores into live databases that can still be undone')
    .option('--server <server>', 'name or id')
    .action(
      run(async (terminal, options: Parameters<SafetyCopies['listSafetyCopies']>[1]) =>
        (await safetyCopies()).listSafetyCopies(terminal, options),
      ),
    );
  restore
    .command('drop-safety-copy')
    .description('drop what a restore into a live database kept for its undo; it stays then')
    .argument('<restore>', RESTORE_HELP)
    .option('--database <url>', DATABASE_HELP)
    .option('--dry-run', DRY_RUN_HELP, false)
    .option('--lock-wait <seconds>', LOCK_WAIT_HELP, lockWait)
    .option('--follow', 'wait for the end', false)
    .action(
      run(async (terminal, id: string, options: Parameters<SafetyCopies['dropSafetyCopy']>[2]) =>
        (await safetyCopies()).dropSafetyCopy(terminal, id, options),
      ),
    );
}
