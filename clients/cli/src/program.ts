import { Command } from '@commander-js/extra-typings';
import { addAuditCommands } from './audit-program.js';
import { addBackupCommands } from './backup-program.js';
import { addCatalogCommands } from './catalog-program.js';
import type { CommandRunner } from './command-runner.js';
import { addDeadLetterCommands } from './dead-letter-program.js';
import { addDocumentCommands } from './documents-program.js';
import { EXIT_CODE_HELP } from './exit-codes.js';
import { addPeopleCommands } from './people-program.js';
import { addPlanCommands } from './plan-program.js';
import { addRepositoryCommands } from './repository-program.js';
import { addRunCommands } from './run-program.js';
import { addRestoreCommands } from './restore-program.js';
import { addSearchCommands } from './search-program.js';
import { addServerCommands } from './server-program.js';
import { openTerminal } from './terminal/terminal.js';

const VERSION = '0.1.0';
const WITH_HELP = 'what opens the repository: passphrase (RAHAT_PASSPHRASE or a prompt), recovery-key or shares';
const KEY_FILE_HELP = 'open it with the recovery key or the shares in these files; a recovery kit will do';

/** All commands. Their modules load only when they run: a warm `status` stays quick. */
export function buildProgram({ quiet }: { quiet: boolean }): Command {
  const program = new Command('rahat-backup')
    .description('Database backups that prove they can be restored.')
    .version(VERSION)
    .option('--json', 'print one line of JSON: {"ok":true,"data":…} or {"ok":false,"error":…}', false)
    .option('--no-color', 'no colours')
    .option('--debug', 'print the whole error', false)
    .showSuggestionAfterError()
    .exitOverride()
    // With --json the one line of the envelope says what was wrong.
    .configureOutput(quiet ? { writeErr: () => undefined } : {})
    .addHelpText(
      'after',
      `${EXIT_CODE_HELP}

Secrets are never flags: RAHAT_PASSWORD, RAHAT_SECOND_FACTOR, RAHAT_NEW_PASSWORD, RAHAT_LINK_TOKEN, RAHAT_DB_PASSWORD, RAHAT_SECRET_KEY, RAHAT_PASSPHRASE, RAHAT_NEW_PASSPHRASE, RAHAT_OTHER_PASSPHRASE and RAHAT_RECOVERY_KEY (each also with _FILE), standard input, or a prompt.`,
    );

  // Global flags may stand before or after the command.
  const run: CommandRunner =
    (action) =>
    async (...args) => {
      const { json, color } = program.opts();
      await action(openTerminal({ json: json === true, colour: color !== false }), ...(args as never));
    };

  program
    .command('status')
    .description('what is protected, and proven when; exit code 0, 1 or 7')
    .action(run(async (terminal) => (await import('./commands/status.js')).status(terminal)));

  program
    .command('login')
    .description('log in by your browser, and keep an API key for this machine')
    .option('--password', 'log in by e-mail and password here, and a code where one is due', false)
    .option('--url <url>', 'address of the platform')
    .option('--email <email>', 'your e-mail address (means --password)')
    .option('--setup', 'become the owner of a new installation; the one-time token comes from RAHAT_SETUP_TOKEN or a prompt', false)
    .option('--name <name>', 'your name (with --setup)')
    .option('--organization <name>', 'name of the organization (with --setup)')
    .option('--password-stdin', 'read the password from standard input (means --password)', false)
    .action(
      run(async (terminal, options: Parameters<typeof import('./commands/login.js').login>[1]) =>
        (await import('./commands/login.js')).login(terminal, options),
      ),
    );
  program
    .command('logout')
    .description('revoke and forget the API key of this machine')
    .action(run(async (terminal) => (await import('./commands/login.js')).logout(terminal)));
  program
    .command('whoami')
    .description('as whom this machine acts, and where')
    .action(run(async (terminal) => (await import('./commands/login.js')).whoAmI(terminal)));

  addPeopleCommands(program, run);
  addServerCommands(program, run);
  addDeadLetterCommands(program, run);

  const storage = program.command('storage').description('places for repositories');
  storage
    .command('add')
    .description('add a folder or a bucket, after trying it out, and make an encrypted repository in it')
    .argument('<place>', 'absolute path on the platform’s machine, or s3://bucket/prefix')
    .requiredOption('--name <name>', 'name to show')
    .option('--repository <name>', 'name of the repository (default: the storage’s name)')
    .option('--own-passphrase', 'give the passphrase yourself (RAHAT_PASSPHRASE or a prompt) instead of having one made', false)
    .option('--endpoint <url>', 'S3: address of a compatible, e.g. https://minio.example:9000 (default: Amazon)')
    .option('--region <region>', 'S3: region of the bucket')
    .option('--access-key <id>', 'S3: access key; its secret comes from RAHAT_SECRET_KEY, standard input or a prompt')
    .option('--secret-key-stdin', 'S3: read the secret of the access key from standard input', false)
    .option('--platform-credentials', 'S3: the key that the platform’s machine has by its environment, profile or role', false)
    .option('--addressing <kind>', 'S3: auto, path or virtual-host')
    .option('--ca-file <file>', 'S3: PEM of the authority of the endpoint’s certificate')
    .option('--storage-class <class>', 'S3: e.g. STANDARD_IA')
    .option('--attach <folder>', 'take over the repository in this folder of it, which another installation made, instead of making one')
    .option('--with <way>', WITH_HELP, 'passphrase')
    .option('--key-file <file...>', KEY_FILE_HELP)
    .action(
      run(async (terminal, place: string, options: Parameters<typeof import('./commands/storages.js').addStorage>[2]) =>
        (await import('./commands/storages.js')).addStorage(terminal, place, options),
      ),
    );
  storage
    .command('attach')
    .description('take over a repository that another installation made, and bring its backups into the catalog')
    .argument('<storage>', 'name or id')
    .argument('<folder>', 'of the repository, in the storage')
    .option('--name <name>', 'name of the repository (default: the folder)')
    .option('--with <way>', WITH_HELP, 'passphrase')
    .option('--key-file <file...>', KEY_FILE_HELP)
    .option('--no-rebuild', 'leave the catalog as it is')
    .action(
      run(
        async (
          terminal,
          name: string,
          folder: string,
          options: Parameters<typeof import('./commands/repository-attachment.js').attachRepository>[3],
        ) => (await import('./commands/repository-attachment.js')).attachRepository(terminal, name, folder, options),
      ),
    );
  storage.command('list').action(run(async (terminal) => (await import('./commands/storages.js')).listStorages(terminal)));

  addPlanCommands(program, run);
  addRunCommands(program, run);
  addDocumentCommands(program, run);

  addBackupCommands(program, run);
  addCatalogCommands(program, run);

  addRestoreCommands(program, run);
  addSearchCommands(program, run);
  addAuditCommands(program, run);
  addRepositoryCommands(program, run);

  const config = program.command('config').description('where this command gets its settings from');
  config
    .command('print', { isDefault: true })
    .description('settings in force, without secrets')
    .option('--redacted', 'accepted for clarity; secrets are never printed', true)
    .action(run(async (terminal) => (await import('./commands/config.js')).printConfig(terminal)));

  program
    .command('doctor')
    .description('look for what could go wrong: tools, server, login, clock, disk')
    .action(run(async (terminal) => (await import('./commands/doctor.js')).doctor(terminal)));

  return program as unknown as Command;
}
