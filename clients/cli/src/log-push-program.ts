import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { wholeNumber } from './option-values.js';

/** Under `server`: servers that push their log themselves. */
export function addLogPushCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  server: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const commands = () => import('./commands/log-pushes.js');
  const push = server
    .command('log-push')
    .description('let a server push its own log by archive_command, where it grants no replication slot');
  push
    .command('add')
    .description('make a push token of a server, and print the settings to copy to it; the token is shown this once')
    .argument('<server>', 'name or id')
    .option('--url <url>', 'how the database server reaches the platform (default: as this command does)')
    .option('--file <path>', 'where the token is kept on the database server (default: /etc/rahat/push.conf)')
    .option('--archive-timeout <seconds>', 'what is not pushed by then is, however little it is (default: 60)', wholeNumber)
    .action(
      run(async (terminal, name: string, options: { url?: string; file?: string; archiveTimeout?: number }) =>
        (await commands()).addLogPush(terminal, name, options),
      ),
    );
  push
    .command('list')
    .description('push tokens of a server that are good')
    .argument('<server>', 'name or id')
    .action(run(async (terminal, name: string) => (await commands()).listLogPushes(terminal, name)));
  push
    .command('revoke')
    .description('refuse a push token from now on')
    .argument('<server>', 'name or id')
    .argument('<token>', 'its id')
    .action(run(async (terminal, name: string, token: string) => (await commands()).revokeLogPush(terminal, name, token)));
}
