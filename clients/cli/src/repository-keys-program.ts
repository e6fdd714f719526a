import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { PATH, PATH_HELP } from './repository-options.js';

type Keys = typeof import('./commands/repository-keys.js');

const LABEL_HELP = 'what people call it, e.g. "safe in Ankara"; everyone who sees the storage can read it';
const SHARES_HELP = 'with the type shares: 3/5 makes five, of which any three are needed';

/** Who can open a repository. */
export function addKeyCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  repository: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const load = () => import('./commands/repository-keys.js');
  const keys = repository.command('keys').description('the ways into a repository; changing them never rewrites data');
  keys
    .command('list')
    .description('list them; exit code 1 if one cannot be used')
    .requiredOption(PATH, PATH_HELP)
    .action(run(async (terminal, options: Parameters<Keys['listKeys']>[1]) => (await load()).listKeys(terminal, options)));
  keys
    .command('add')
    .description('add one: a passphrase (RAHAT_NEW_PASSPHRASE or a prompt), a recovery key or shares of one, which are shown once')
    .argument('<type>', 'passphrase, recovery or shares')
    .requiredOption(PATH, PATH_HELP)
    .option('--label <text>', LABEL_HELP)
    .option('--shares <k/n>', SHARES_HELP)
    .action(run(async (terminal, type: string, options: Parameters<Keys['addKey']>[2]) => (await load()).addKey(terminal, type, options)));
  keys
    .command('replace')
    .description('add one, then remove another')
    .argument('<key>', 'id, or its beginning')
    .argument('<type>', 'passphrase, recovery or shares')
    .requiredOption(PATH, PATH_HELP)
    .option('--label <text>', LABEL_HELP)
    .option('--shares <k/n>', SHARES_HELP)
    .action(
      run(async (terminal, id: string, type: string, options: Parameters<Keys['replaceKey']>[3]) =>
        (await load()).replaceKey(terminal, id, type, options),
      ),
    );
  keys
    .command('remove')
    .description('remove one; the last that a person holds stays')
    .argument('<key>', 'id, or its beginning')
    .requiredOption(PATH, PATH_HELP)
    .action(
      run(async (terminal, id: string, options: Parameters<Keys['removeKey']>[2]) => (await load()).removeKey(terminal, id, options)),
    );
  keys
    .command('verify')
    .description('say which of them the given passphrase, recovery key or shares open; exit code 3 if none')
    .argument('[key]', 'only this one')
    .requiredOption(PATH, PATH_HELP)
    .action(
      run(async (terminal, id: string | undefined, options: Parameters<Keys['verifyKey']>[2]) =>
        (await load()).verifyKey(terminal, id, options),
      ),
    );
}
