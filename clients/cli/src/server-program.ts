import { Option, type Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { collected, wholeNumber } from './option-values.js';

type Servers = typeof import('./commands/servers.js');
type Care = typeof import('./commands/server-care.js');
type Access = typeof import('./commands/server-access.js');
type Managed = typeof import('./commands/managed-snapshots.js');

/** Servers, their groups, and the databases found on them. */
export function addServerCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const servers = () => import('./commands/servers.js');
  const care = () => import('./commands/server-care.js');
  const groups = () => import('./commands/server-groups.js');
  const access = () => import('./commands/server-access.js');
  const managed = () => import('./commands/managed-snapshots.js');
  const server = program.command('server').description('database servers that are protected');
  server
    .command('add')
    .description('test a server, add it and discover its databases')
    .argument('<url>', 'postgresql://user@host:port/database?sslmode=…, without the password')
    .requiredOption('--name <name>', 'name to show')
    .option('--password-stdin', 'read the password from standard input', false)
    .option('--force', 'add it although the test failed', false)
    .option('--pool <pool>', 'worker pool near the server', 'default')
    .option('--tag <tag>', 'key or key=value; may be repeated', collected, [])
    .option('--group <group>', 'name or id of a group; may be repeated', collected, [])
    .option('--standby <host:port>', 'from which plans may read instead; may be repeated', collected)
    .option('--tls-ca <file>', 'certificate of the authority that signed the server (with sslmode=verify-ca or verify-full)')
    .option('--tls-certificate <file>', 'our own certificate, for servers that ask for one')
    .option('--tls-key <file>', 'its key; kept sealed')
    .option('--ssh <user@host:port>', 'reach it through an SSH host; the address is as that host sees it')
    .option('--ssh-host-key <fingerprint>', 'SHA256:… of the SSH host; anything else is refused')
    .option('--ssh-key <file>', 'private key for the SSH host; kept sealed')
    .option(
      '--aws-iam',
      'RDS and Aurora: log in by tokens of Amazon, signed with what the worker finds (role, profile), instead of a password',
      false,
    )
    .option('--aws-region <region>', 'where the host’s name does not tell it')
    .option('--aws-access-key <id>', 'sign with this key; its secret comes from RAHAT_SECRET_KEY or a prompt, and is kept sealed')
    .action(
      run(async (terminal, url: string, options: Parameters<Servers['addServer']>[2]) =>
        (await servers()).addServer(terminal, url, options),
      ),
    );
  server
    .command('test')
    .description('try every step from the address to the rights')
    .argument('<server>', 'name or id')
    .action(run(async (terminal, name: string) => (await servers()).testServer(terminal, name)));
  server
    .command('preflight')
    .description('what a server and its databases lack for backups, each with the SQL that cures it')
    .argument('<server>', 'name or id')
    .option('--database <database>', 'look into this one alone; may be repeated', collected)
    .option('--for <uses>', 'some of logical,physical,log; all of them unless said')
    .option('--grants', 'print only the cures, as one script for psql', false)
    .action(
      run(async (terminal, name: string, options: Parameters<Access['preflightServer']>[2]) =>
        (await access()).preflightServer(terminal, name, options),
      ),
    );
  server
    .command('create-user')
    .description('make a user on the server that only reads, and back up as that user; the administrator is asked for once and not kept')
    .argument('<server>', 'name or id')
    .requiredOption('--admin-user <user>', 'who may create users on the server, e.g. postgres')
    .option('--admin-password-stdin', 'read its password from standard input instead of RAHAT_ADMIN_PASSWORD or a prompt', false)
    .option('--user <user>', 'the user to make', 'rahat_backup')
    .option('--for <uses>', 'some of logical,physical,log', 'logical')
    .option(
      '--by-object',
      'without pg_read_all_data, which also shows password hashes; tables of new owners then need a grant first',
      false,
    )
    .action(
      run(async (terminal, name: string, options: Parameters<Access['createBackupUser']>[2]) =>
        (await access()).createBackupUser(terminal, name, options),
      ),
    );
  server
    .command('list')
    .option('--group <group>', 'name or id')
    .option('--tag <tags>', 'key or key=value; several separated by commas must all be carried')
    .action(run(async (terminal, options: Parameters<Servers['listServers']>[1]) => (await servers()).listServers(terminal, options)));
  server
    .command('windows')
    .description('which moments of a server can be recovered, gaps in its log, and who follows it')
    .argument('<server>', 'name or id')
    .action(run(async (terminal, name: string) => (await import('./commands/server-windows.js')).serverWindows(terminal, name)));
  server
    .command('snapshots')
    .description('snapshots that lie at the provider of a server (RDS, Aurora), and how far its own recovery reaches')
    .argument('<server>', 'name or id')
    .option('--refresh', 'ask the provider now', false)
    .addOption(new Option('--origin <origin>', 'who made them').choices(['automated', 'manual', 'backup-service', 'other'] as const))
    .option('--gone', 'those that vanished, too', false)
    .action(
      run(async (terminal, name: string, options: Parameters<Managed['listManagedSnapshots']>[2]) =>
        (await managed()).listManagedSnapshots(terminal, name, options),
      ),
    );
  server
    .command('cloud-account')
    .description('have Amazon asked for the snapshots of a server, with what the worker finds (role, profile) or a key')
    .argument('<server>', 'name or id')
    .option('--aws-region <region>', 'where the host’s name does not tell it')
    .option('--aws-access-key <id>', 'ask with this key; its secret comes from RAHAT_SECRET_KEY or a prompt, and is kept sealed')
    .option('--instance <id>', 'the database instance, where the host’s name does not tell it')
    .option('--cluster <id>', 'the cluster of Aurora, likewise')
    .option('--remove', 'ask no more, and forget its snapshots', false)
    .action(
      run(async (terminal, name: string, options: Parameters<Managed['setCloudAccount']>[2]) =>
        (await managed()).setCloudAccount(terminal, name, options),
      ),
    );
  server
    .command('update')
    .description('change what is named; the password comes from RAHAT_DB_PASSWORD, standard input or a prompt')
    .argument('<server>', 'name or id')
    .option('--name <name>')
    .option('--url <url>', 'new address, without the password')
    .option('--ask-password', 'set a new password, from RAHAT_DB_PASSWORD or a prompt', false)
    .option('--password-stdin', 'set a new password, read from standard input', false)
    .option('--pool <pool>', 'worker pool')
    .option('--heavy-runs <n>', 'backups and restores at once', wholeNumber)
    .option('--discovery-minutes <n>', 'how often it is asked for new databases', wholeNumber)
    .option('--standby <host:port>', 'from which plans may read instead; may be repeated, and none removes them', collected)
    .option('--tls-ca <file>', 'certificate of the authority that signed the server (with --url)')
    .option('--tls-certificate <file>', 'our own certificate, for servers that ask for one (with --url)')
    .option('--tls-key <file>', 'its key; kept sealed')
    .option('--ssh <user@host:port>', 'reach it through an SSH host (with --url); the address is as that host sees it')
    .option('--ssh-host-key <fingerprint>', 'SHA256:… of the SSH host; anything else is refused')
    .option('--ssh-key <file>', 'private key for the SSH host; kept sealed')
    .option('--aws-iam', 'RDS and Aurora: log in by tokens of Amazon instead of a password (with --url)', false)
    .option('--aws-region <region>', 'where the host’s name does not tell it')
    .option('--aws-access-key <id>', 'sign with this key; its secret comes from RAHAT_SECRET_KEY or a prompt, and is kept sealed')
    .action(
      run(async (terminal, name: string, options: Parameters<Care['updateServer']>[2]) =>
        (await care()).updateServer(terminal, name, options),
      ),
    );
  server
    .command('note')
    .description('write a note on a server; an empty one takes it away')
    .argument('<server>', 'name or id')
    .argument('<text>')
    .action(
      run(async (terminal, name: string, text: string) => (await import('./commands/annotations.js')).noteServer(terminal, name, text)),
    );
  server
    .command('tag')
    .description('show, add or remove tags')
    .argument('<server>', 'name or id')
    .option('--add <tag>', 'key or key=value; may be repeated', collected, [])
    .option('--remove <tag>', 'may be repeated', collected, [])
    .action(
      run(async (terminal, name: string, options: { add: string[]; remove: string[] }) =>
        (await care()).tagServer(terminal, name, options),
      ),
    );
  server
    .command('delete')
    .description('delete a server that no plan names; its backups stay')
    .argument('<server>', 'name or id')
    .action(run(async (terminal, name: string) => (await care()).deleteServer(terminal, name)));

  const group = server.command('group').description('named sets of servers that plans can select');
  group.command('list').action(run(async (terminal) => (await groups()).listGroups(terminal)));
  group
    .command('create')
    .argument('<name>')
    .option('--description <text>', 'what it is for', '')
    .action(run(async (terminal, name: string, options: { description: string }) => (await groups()).createGroup(terminal, name, options)));
  group
    .command('add')
    .description('put servers into a group')
    .argument('<group>', 'name or id')
    .argument('<servers...>', 'names or ids')
    .action(
      run(async (terminal, name: string, names: string[]) => (await groups()).changeMembers(terminal, name, { add: names, remove: [] })),
    );
  group
    .command('remove')
    .description('take servers out of a group')
    .argument('<group>', 'name or id')
    .argument('<servers...>', 'names or ids')
    .action(
      run(async (terminal, name: string, names: string[]) => (await groups()).changeMembers(terminal, name, { add: [], remove: names })),
    );
  group
    .command('delete')
    .description('delete a group that no plan selects; its servers stay')
    .argument('<group>', 'name or id')
    .action(run(async (terminal, name: string) => (await groups()).deleteGroup(terminal, name)));

  const database = program.command('database').description('databases found on the servers');
  database
    .command('list')
    .option('--server <server>', 'name or id')
    .option('--tag <tags>', 'key or key=value; several separated by commas must all be carried')
    .option('--discover', 'look at the server first', false)
    .action(run(async (terminal, options: Parameters<Servers['listDatabases']>[1]) => (await servers()).listDatabases(terminal, options)));
  database
    .command('update')
    .description('tag a database, exclude it from plans that do not name it, or include it again')
    .argument('<server>', 'name or id')
    .argument('<database>', 'name or id')
    .option('--exclude', 'leave it out', false)
    .option('--include', 'take it in again', false)
    .option('--add-tag <tag>', 'may be repeated', collected, [])
    .option('--remove-tag <tag>', 'may be repeated', collected, [])
    .action(
      run(async (terminal, name: string, databaseName: string, options: Parameters<Care['updateDatabase']>[3]) =>
        (await care()).updateDatabase(terminal, name, databaseName, options),
      ),
    );
}
