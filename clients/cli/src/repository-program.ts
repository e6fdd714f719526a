import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { addBrowseCommands } from './repository-browse-program.js';
import { addInspectCommand } from './repository-inspect-program.js';
import { addKeyCommands } from './repository-keys-program.js';
import { addKitCommands } from './repository-kit-program.js';
import { wholeNumber } from './option-values.js';
import { addPartOptions } from './part-options.js';
import { DRY_RUN_HELP, PATH, PATH_HELP, PATH_OF_KIT_HELP } from './repository-options.js';

type Care = typeof import('./commands/repository-care.js');
type Distrust = typeof import('./commands/offline-distrust.js');
type Offline = typeof import('./commands/offline-repository.js');

/** Commands that work on a storage alone. */
export function addRepositoryCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  runWith: CommandRunner,
): void {
  const care = () => import('./commands/repository-care.js');
  const offline = () => import('./commands/offline-repository.js');
  const repository = program
    .command('repository')
    .description(
      'works on the storage alone: no server, only the passphrase (RAHAT_PASSPHRASE or a prompt; of a second repository RAHAT_OTHER_PASSPHRASE), a recovery key (RAHAT_RECOVERY_KEY) or shares of one',
    )
    .option('--with <way>', 'what opens it: passphrase, recovery-key or shares', 'passphrase')
    .option(
      '--kit, --key-file <file>',
      'open it with a recovery kit, as text or as the PDF that was printed, or with a file of its key or a share alone; repeatable',
      collect,
    )
    .configureHelp({ showGlobalOptions: true });
  // The options of `repository` may stand before or after its commands.
  const run: CommandRunner =
    (action) =>
    (...args) => {
      const command = args.at(-1) as Command;
      const merged: unknown[] = [...args.slice(0, -2), command.optsWithGlobals(), command];
      return runWith(action)(...(merged as typeof args));
    };
  repository
    .command('init')
    .description('make a repository')
    .requiredOption(PATH, PATH_HELP)
    .option('--sibling-of <folder>', 'another repository: between the two, copies move only what is missing')
    .action(run(async (terminal, options: Parameters<Care['initRepository']>[1]) => (await care()).initRepository(terminal, options)));
  repository
    .command('snapshots')
    .description('list what can be restored')
    .option(PATH, PATH_OF_KIT_HELP)
    .action(run(async (terminal, options: Parameters<Offline['listSnapshots']>[1]) => (await offline()).listSnapshots(terminal, options)));
  repository
    .command('logs')
    .description('list the continuous logs, and what of them is there without a gap; exit code 1 if something cannot be read')
    .option(PATH, PATH_OF_KIT_HELP)
    .action(
      run(async (terminal, options: Parameters<typeof import('./commands/offline-logs.js').listLogs>[1]) =>
        (await import('./commands/offline-logs.js')).listLogs(terminal, options),
      ),
    );
  repository
    .command('show')
    .description('show one snapshot and its objects')
    .option(PATH, PATH_OF_KIT_HELP)
    .option('--snapshot <id>', 'id, its beginning, or latest', 'latest')
    .action(run(async (terminal, options: Parameters<Care['showSnapshot']>[1]) => (await care()).showSnapshot(terminal, options)));
  repository
    .command('stats')
    .description('sizes and counts')
    .requiredOption(PATH, PATH_HELP)
    .action(run(async (terminal, options: Parameters<Care['repositoryStats']>[1]) => (await care()).repositoryStats(terminal, options)));
  repository
    .command('catalog')
    .description('all that a lost catalog can be made anew from: every snapshot, also in the trash, with its origin and evidence')
    .requiredOption(PATH, PATH_HELP)
    .action(
      run(async (terminal, options: Parameters<typeof import('./commands/offline-catalog.js').printCatalog>[1]) =>
        (await import('./commands/offline-catalog.js')).printCatalog(terminal, options),
      ),
    );
  repository
    .command('check')
    .description('look for damage; exit code 1 if there is any')
    .option(PATH, PATH_OF_KIT_HELP)
    .option('--level <level>', 'structure, read-data or deep', 'deep')
    .option('--share <share>', 'read only a part of the packs: 3/10, or 10% for the next tenth each time')
    .action(run(async (terminal, options: Parameters<Care['checkRepository']>[1]) => (await care()).checkRepository(terminal, options)));
  const restore = repository.command('restore').description('bring data back without the platform').option(PATH, PATH_OF_KIT_HELP);
  addPartOptions(restore);
  restore
    .option('--snapshot <id>', 'id, its beginning, or latest', 'latest')
    .option('--to <url>', 'postgresql://user@host:port/database of the target server; password from RAHAT_DB_PASSWORD')
    .option('--as <name>', 'name of the new database')
    .option('--folder <path>', 'physical backups: an empty folder')
    .option(
      '--to-time <time>',
      'with --folder or --from-database, of a server whose log is kept: replay up to this moment, e.g. 2026-11-27T14:05:00Z',
    )
    .option('--to-lsn <position>', 'up to this position of the log, e.g. 16/B374D848')
    .option('--to-transaction <id>', 'up to this transaction')
    .option('--to-name <name>', 'up to this named restore point')
    .option('--to-end', 'replay all log that is there', false)
    .option('--before', 'just before the moment, position or transaction, without it', false)
    .option('--timeline <n>', 'a history that the server left', wholeNumber)
    .option('--stream <stream>', 'which log, where the repository holds several of the server')
    .option('--no-owner', 'everything belongs to the restoring user')
    .option('--no-acl', 'without grants')
    .option('--dry-run', DRY_RUN_HELP, false)
    .action(
      run(async (terminal, options: Parameters<Offline['restoreSnapshot']>[1]) => (await offline()).restoreSnapshot(terminal, options)),
    );
  repository
    .command('collect')
    .description('free the space that no snapshot needs: deletes what an earlier call condemned a day ago, and condemns')
    .argument('[repository]', 'name or id: the platform does it, on a worker; else the storage is opened here')
    .option(PATH, PATH_HELP)
    .option('--dry-run', DRY_RUN_HELP, false)
    .option('--follow', 'of a repository of the platform: wait for the end', false)
    .action(
      run(async (terminal, name: string | undefined, options: Parameters<typeof import('./commands/collections.js').collect>[2]) =>
        (await import('./commands/collections.js')).collect(terminal, name, options),
      ),
    );
  repository
    .command('collections')
    .description('when the platform collects its repositories; with a repository, change that')
    .argument('[repository]', 'name or id')
    .option('--cron <expression>', 'five fields; "none" = only when somebody says so')
    .option('--time-zone <zone>', 'IANA zone of the expression')
    .option('--undo-days <n>', 'so long a removed backup can be brought back', wholeNumber)
    .option('--pool <pool>', 'whose workers do it')
    .option('--rewrite', 'also rewrite packs of which less than half is needed; their workers get a key that reads')
    .option('--no-rewrite', 'workers get a key that only writes')
    .action(
      run(
        async (terminal, name: string | undefined, options: Parameters<typeof import('./commands/collections.js').collectionPolicies>[2]) =>
          (await import('./commands/collections.js')).collectionPolicies(terminal, name, options),
      ),
    );
  repository
    .command('lock')
    .description(
      'have the storage refuse the removal of snapshots and all that they need; repeat it after each backup; exit code 6 if something is missing',
    )
    .requiredOption(PATH, PATH_HELP)
    .option('--until <time>', 'such as 2027-01-31 or 2027-01-31T12:00:00Z; without it only what locked snapshots need is completed')
    .option('--snapshots <id...>', 'only these')
    .option('--dry-run', DRY_RUN_HELP, false)
    .action(
      run(async (terminal, options: Parameters<typeof import('./commands/offline-lock.js').lockRepository>[1]) =>
        (await import('./commands/offline-lock.js')).lockRepository(terminal, options),
      ),
    );
  repository
    .command('copy')
    .description('copy snapshots to another repository; repeatable and resumable; exit code 6 if some failed')
    .requiredOption(PATH, PATH_HELP)
    .requiredOption('--to <folder>', 'the other repository')
    .option('--snapshots <id...>', 'only these')
    .option('--rechunk', 'read, cut and store everything anew, for a target that is no sibling', false)
    .option('--verify <level>', 'what is read back of the copies: structure, read-data or deep', 'read-data')
    .option('--dry-run', DRY_RUN_HELP, false)
    .action(run(async (terminal, options: Parameters<Care['copyRepository']>[1]) => (await care()).copyRepository(terminal, options)));
  repository
    .command('heal')
    .description('bring missing and damaged data from a sibling; exit code 6 if something stays damaged')
    .requiredOption(PATH, PATH_HELP)
    .requiredOption('--from <folder>', 'the sibling')
    .option('--level <level>', 'how damage is looked for: structure, read-data or deep', 'deep')
    .option('--dry-run', DRY_RUN_HELP, false)
    .action(run(async (terminal, options: Parameters<Care['healRepository']>[1]) => (await care()).healRepository(terminal, options)));

  const repair = repository.command('repair').description('repair the index, then packs; no snapshot is ever removed');
  repair
    .command('index')
    .description('rebuild damaged or missing parts of the index from the packs; exit code 6 if packs are missing or damaged')
    .requiredOption(PATH, PATH_HELP)
    .option('--dry-run', DRY_RUN_HELP, false)
    .action(run(async (terminal, options: Parameters<Care['repairIndex']>[1]) => (await care()).repairIndex(terminal, options)));
  repair
    .command('packs')
    .description('set damaged packs aside, save what is readable of them; exit code 6 if snapshots are affected')
    .requiredOption(PATH, PATH_HELP)
    .option('--level <level>', 'how damage is looked for: structure, read-data or deep', 'deep')
    .option('--dry-run', DRY_RUN_HELP, false)
    .action(run(async (terminal, options: Parameters<Care['repairPacks']>[1]) => (await care()).repairPacks(terminal, options)));
  repository
    .command('distrust')
    .description(
      'take back what rests on the word of one writer, proving its packs with the master key; exit code 6 if something lies or is affected',
    )
    .argument('[writer]', 'its name, as `repository show` tells it')
    .requiredOption(PATH, PATH_HELP)
    .option('--everyone', 'prove everything anew: a writer may have used the names of others', false)
    .option('--dry-run', DRY_RUN_HELP, false)
    .action(
      run(async (terminal, writer: string | undefined, options: Parameters<Distrust['distrustWriter']>[2]) =>
        (await import('./commands/offline-distrust.js')).distrustWriter(terminal, writer, options),
      ),
    );
  addBrowseCommands(repository, run);
  addInspectCommand(repository, run);
  addKeyCommands(repository, run);
  addKitCommands(repository, run);
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
