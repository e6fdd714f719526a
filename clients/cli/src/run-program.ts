import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';

type Runs = typeof import('./commands/runs.js');

const RUN = 'id, its beginning, or latest';

/** Executions of every type. */
export function addRunCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const runs = () => import('./commands/runs.js');
  const command = program.command('run').description('executions: backups, verifications, restores, collections');
  command
    .command('list')
    .option('--plan <plan>', 'name or id')
    .option('--server <server>', 'name or id')
    .option('--type <type>', 'backup, verification, restore or collection')
    .option('--state <state>', 'e.g. running, failed, expected')
    .option('--limit <n>', 'newest first', '50')
    .action(run(async (terminal, options: Parameters<Runs['listRuns']>[1]) => (await runs()).listRuns(terminal, options)));
  command
    .command('show')
    .argument('<run>', RUN)
    .action(run(async (terminal, id: string) => (await runs()).showRun(terminal, id)));
  command
    .command('cancel')
    .argument('<run>', RUN)
    .option('--follow', 'wait until it has stopped', false)
    .action(run(async (terminal, id: string, options: { follow: boolean }) => (await runs()).cancelRun(terminal, id, options)));
  command
    .command('pause')
    .description('hold a run up: a waiting one until it is resumed, a running one for a bounded time')
    .argument('<run>', RUN)
    .action(run(async (terminal, id: string) => (await runs()).pauseRun(terminal, id)));
  command
    .command('resume')
    .argument('<run>', RUN)
    .action(run(async (terminal, id: string) => (await runs()).resumeRun(terminal, id)));
  command
    .command('logs')
    .argument('<run>', RUN)
    .option('--follow', 'go on until the run has ended; its outcome is the exit code', false)
    .action(run(async (terminal, id: string, options: { follow: boolean }) => (await runs()).showLog(terminal, id, options)));
}
