import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { collected } from './option-values.js';

type Runs = typeof import('./commands/runs.js');

const RUN = 'id, its beginning, or latest';

/** Executions of every type. */
export function addRunCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const runs = () => import('./commands/runs.js');
  const command = program.command('run').description('executions: backups, verifications, restores, collections, rebuilds of the catalog');
  command
    .command('list')
    .option('--plan <plan>', 'name or id')
    .option('--server <server>', 'name or id')
    .option('--type <type>', 'backup, verification, restore, collection or rebuild')
    .option('--state <state>', 'e.g. running, failed, expected')
    .option('--tag <tags>', 'key or key=value; several with commas')
    .option('--since <time>', '2026-11-20, 2026-11-20T14:00:00Z, or so long ago: 24h, 7d')
    .option('--until <time>')
    .option('--search <words>', 'words that stand in it, or begin one')
    .option('--limit <n>', 'newest first', '50')
    .action(run(async (terminal, options: Parameters<Runs['listRuns']>[1]) => (await runs()).listRuns(terminal, options)));
  command
    .command('show')
    .argument('<run>', RUN)
    .action(run(async (terminal, id: string) => (await runs()).showRun(terminal, id)));
  command
    .command('tag')
    .argument('<run>', RUN)
    .option('--add <tag>', 'key or key=value; repeatable', collected)
    .option('--remove <tag>', 'repeatable', collected)
    .action(
      run(async (terminal, id: string, options: { add?: string[]; remove?: string[] }) =>
        (await import('./commands/annotations.js')).tagRun(terminal, id, options),
      ),
    );
  command
    .command('note')
    .description('write a note on a run; an empty one takes it away')
    .argument('<run>', RUN)
    .argument('<text>')
    .action(run(async (terminal, id: string, text: string) => (await import('./commands/annotations.js')).noteRun(terminal, id, text)));
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
