import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { collected, wholeNumber } from './option-values.js';

type Organizations = typeof import('./commands/organizations.js');
type ApiKeys = typeof import('./commands/api-keys.js');
type Account = typeof import('./commands/own-account.js');
type PersonalOptions = import('./session/personal-api.js').PersonalOptions;

const USER = 'e-mail, name or id';
const ROLES = 'owner, admin, operator, viewer or auditor';
const AS_YOURSELF = ['--email <email>', 'your e-mail: an API key cannot do this, your password is asked for'] as const;
const GROUP = ['--group <server group>', 'limit the role to this server group; may be given several times', collected] as const;
const DATA_FOLDER = ['--data-folder <path>', 'data folder of the platform (default: RAHAT_DATA_DIR or ./.data)'] as const;
const PASSWORD_STDIN = ['--password-stdin', 'read the password from standard input', false] as const;

/** Organizations, the people in them, what they may do, and the keys they make. */
export function addPeopleCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  addOrganizationCommands(program, run);
  addUserCommands(program, run);
  addApiKeyCommands(program, run);
  program
    .command('role')
    .description('what each role may do')
    .command('list', { isDefault: true })
    .action(run(async (terminal) => (await import('./commands/roles.js')).listRoles(terminal)));
  const admin = program.command('admin').description('on the machine of the platform, when nobody can log in any more');
  admin
    .command('remove-second-factors')
    .description('let somebody in by the password alone who has lost the app, the passkeys and the recovery codes')
    .requiredOption('--email <email>', 'of the user')
    .option(...DATA_FOLDER)
    .action(
      run(async (terminal, options: { email: string; dataFolder?: string }) =>
        (await import('./commands/break-glass.js')).removeSecondFactors(terminal, options),
      ),
    );
  admin
    .command('reset-password')
    .description('make a one-time token for a new password, or set one; needs the right to read the keys of the platform')
    .requiredOption('--email <email>', 'of the user')
    .option(...DATA_FOLDER)
    .option('--set', 'ask for the new password here (RAHAT_NEW_PASSWORD or a prompt) instead of making a token', false)
    .action(
      run(async (terminal, options: { email: string; dataFolder?: string; set: boolean }) =>
        (await import('./commands/break-glass.js')).resetPassword(terminal, options),
      ),
    );
}

function addOrganizationCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const organizations = () => import('./commands/organizations.js');
  const organization = program.command('organization').description('the organization that you act in, and your others');
  organization.command('show').action(run(async (terminal) => (await organizations()).showOrganization(terminal)));
  organization
    .command('rename')
    .argument('<name>')
    .action(run(async (terminal, name: string) => (await organizations()).renameOrganization(terminal, name)));
  organization
    .command('list')
    .description('those that you belong to')
    .action(run(async (terminal) => (await organizations()).listOrganizations(terminal)));
  organization
    .command('create')
    .description('make a further one and own it; only an owner of one can')
    .argument('<name>')
    .option(...AS_YOURSELF)
    .option(...PASSWORD_STDIN)
    .action(
      run(async (terminal, name: string, options: Parameters<Organizations['createOrganization']>[2]) =>
        (await organizations()).createOrganization(terminal, name, options),
      ),
    );
  organization
    .command('use')
    .description('go on in another one, with a new API key for this machine')
    .argument('<organization>', 'name or id')
    .option(...AS_YOURSELF)
    .option(...PASSWORD_STDIN)
    .action(
      run(async (terminal, name: string, options: Parameters<Organizations['useOrganization']>[2]) =>
        (await organizations()).useOrganization(terminal, name, options),
      ),
    );
}

function addUserCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const users = () => import('./commands/users.js');
  const account = () => import('./commands/own-account.js');
  const user = program.command('user').description('who belongs to the organization');
  user.command('list').action(run(async (terminal) => (await users()).listUsers(terminal)));
  user
    .command('show')
    .argument('<user>', USER)
    .action(run(async (terminal, wanted: string) => (await users()).showUser(terminal, wanted)));
  user
    .command('invite')
    .description('make an invitation; its token is shown this once')
    .argument('<email>')
    .option('--role <role>', ROLES, 'viewer')
    .option(...GROUP)
    .action(
      run(async (terminal, email: string, options: { role: string; group?: string[] }) =>
        (await users()).inviteUser(terminal, email, options),
      ),
    );
  user.command('invitations').action(run(async (terminal) => (await users()).listInvitations(terminal)));
  user
    .command('revoke-invitation')
    .argument('<invitation>', 'e-mail or id')
    .action(run(async (terminal, wanted: string) => (await users()).revokeInvitation(terminal, wanted)));
  user
    .command('set-role')
    .argument('<user>', USER)
    .argument('<role>', ROLES)
    .option(...GROUP)
    .option('--whole-organization', 'lift the limit to server groups', false)
    .action(
      run(async (terminal, wanted: string, role: string, options: { group?: string[]; wholeOrganization: boolean }) =>
        (await users()).setRole(terminal, wanted, role, options),
      ),
    );
  user
    .command('remove')
    .description('remove from the organization; sessions and keys end within 10 seconds')
    .argument('<user>', USER)
    .action(run(async (terminal, wanted: string) => (await users()).removeUser(terminal, wanted)));
  user
    .command('reset-link')
    .description('make a token by which a user sets a new password')
    .argument('<user>', USER)
    .action(run(async (terminal, wanted: string) => (await users()).makeResetLink(terminal, wanted)));
  user
    .command('remove-second-factors')
    .description('of a user who has lost them; their sessions end')
    .argument('<user>', USER)
    .option(...AS_YOURSELF)
    .option(...PASSWORD_STDIN)
    .action(
      run(async (terminal, wanted: string, options: PersonalOptions) => (await users()).removeSecondFactors(terminal, wanted, options)),
    );
  user
    .command('sessions')
    .description('where a user is logged in')
    .argument('<user>', USER)
    .option('--end', 'end them all', false)
    .action(run(async (terminal, wanted: string, options: { end: boolean }) => (await users()).showSessions(terminal, wanted, options)));
  user
    .command('accept')
    .description('accept an invitation; its token comes from RAHAT_LINK_TOKEN or a prompt')
    .option('--url <url>', 'address of the platform')
    .option('--name <name>', 'your name, for a new account')
    .action(
      run(async (terminal, options: Parameters<Account['acceptInvitation']>[1]) => (await account()).acceptInvitation(terminal, options)),
    );
  user
    .command('new-password')
    .description('set a password by a reset link; its token comes from RAHAT_LINK_TOKEN or a prompt')
    .option('--url <url>', 'address of the platform')
    .action(run(async (terminal, options: { url?: string }) => (await account()).setNewPassword(terminal, options)));
  user
    .command('password')
    .description('change your own password; your other sessions end')
    .option(...AS_YOURSELF)
    .option(...PASSWORD_STDIN)
    .action(
      run(async (terminal, options: Parameters<Account['changePassword']>[1]) => (await account()).changePassword(terminal, options)),
    );
}

function addApiKeyCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const keys = () => import('./commands/api-keys.js');
  const apiKey = program.command('api-key').description('keys for machines');
  apiKey
    .command('list')
    .option('--all', 'also those that were revoked', false)
    .action(run(async (terminal, options: { all: boolean }) => (await keys()).listApiKeys(terminal, options)));
  apiKey
    .command('show')
    .argument('<key>', 'name or id')
    .action(run(async (terminal, wanted: string) => (await keys()).showApiKey(terminal, wanted)));
  apiKey
    .command('create')
    .description('make a key within your own rights; it is shown this once')
    .requiredOption('--name <name>', 'name to show')
    .requiredOption('--scope <scope...>', 'what it may do, e.g. plan:read; * is all that you may do')
    .option('--expires <time>', '90d, 12h, or a time')
    .option('--requests-per-minute <n>', 'its own limit', wholeNumber)
    .option(...AS_YOURSELF)
    .option(...PASSWORD_STDIN)
    .action(run(async (terminal, options: Parameters<ApiKeys['createApiKey']>[1]) => (await keys()).createApiKey(terminal, options)));
  apiKey
    .command('revoke')
    .argument('<key>', 'name or id')
    .action(run(async (terminal, wanted: string) => (await keys()).revokeApiKey(terminal, wanted)));
}
