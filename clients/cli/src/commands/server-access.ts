import { serversMakeBackupUser, serversPreflight, type PreflightFinding, type PreflightReport } from '@rahat/api-client';
import { BackupUse, RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { askSecret } from '../terminal/ask-secret.js';
import { visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findServer } from './servers.js';

/** In the order in which a report is read. */
const SECTIONS: [section: PreflightFinding['section'], title: string][] = [
  ['reach', 'The way there'],
  ['version', 'Version and tools'],
  ['identity', 'What it is'],
  ['provider', 'Who runs it'],
  ['rights', 'Rights of the user'],
  ['databases', 'Databases'],
  ['settings', 'Settings'],
  ['extensions', 'Extensions'],
  ['health', 'Health'],
];
const USE_TITLES: Record<BackupUse, string> = { logical: 'logical backups', physical: 'base backups', log: 'recovery to a moment' };
const SIGNS = { blocker: ['red', '✗'], gap: ['red', '◐'], warning: ['yellow', '!'], info: ['dim', 'i'] } as const;

export async function preflightServer(
  terminal: Terminal,
  name: string,
  options: { database?: string[]; for?: string; grants: boolean },
): Promise<void> {
  const uses = usesOf(options.for);
  const api = await openApi();
  const server = await findServer(api, name);
  const body = { databases: options.database, uses };
  const report = await answer(serversPreflight({ client: api.client, path: { id: server.id }, body }));
  if (!report.reachable) {
    const { code, message, hint } = report.error ?? {
      code: 'source_unreachable',
      message: 'The server cannot be reached.',
      hint: undefined,
    };
    throw new RahatError(code as 'source_unreachable', message, { hint });
  }
  terminal.result(report, options.grants ? report.script.trimEnd() : shown(terminal, report));
  if (!options.grants && report.uses.some(({ usable }) => !usable)) process.exitCode = 1;
}

export async function createBackupUser(
  terminal: Terminal,
  name: string,
  options: { adminUser: string; adminPasswordStdin: boolean; user: string; for?: string; byObject: boolean },
): Promise<void> {
  const uses = usesOf(options.for);
  const api = await openApi();
  const server = await findServer(api, name);
  const password = await askSecret({
    label: `Password of ${options.adminUser}, who may create users`,
    variable: 'RAHAT_ADMIN_PASSWORD',
    fromStdin: options.adminPasswordStdin,
  });
  const made = await answer(
    serversMakeBackupUser({
      client: api.client,
      path: { id: server.id },
      body: { admin: { user: options.adminUser, password }, user: options.user, uses, byObject: options.byObject },
    }),
  );
  const lines = [
    `${made.created ? 'Made' : 'Gave what it lacked to'} ${visible(made.user)}; ${server.name} is backed up as this user from now on.`,
    ...made.notGranted.map((statement) => `${terminal.paint('yellow', '!')} ${options.adminUser} may not: ${visible(statement)}`),
  ];
  terminal.result(made, [...lines, '', shown(terminal, made.report)].join('\n'));
}

function usesOf(list: string | undefined): BackupUse[] | undefined {
  const uses = list?.split(',').map((use) => use.trim());
  const known: readonly string[] = BackupUse.options;
  const wrong = uses?.find((use) => !known.includes(use));
  if (wrong !== undefined)
    throw new RahatError('invalid_input', `"${visible(wrong)}" is nothing that a server is used for.`, {
      hint: `Write some of ${known.join(',')}.`,
    });
  return uses as BackupUse[] | undefined;
}

function shown(terminal: Terminal, report: PreflightReport): string {
  const sections = SECTIONS.flatMap(([section, title]) => {
    const facts = report.facts.filter((fact) => fact.section === section).map(({ name, value }) => `  ${name}: ${visible(value)}`);
    const findings = report.findings.filter((finding) => finding.section === section).map((finding) => lineOf(terminal, finding));
    return facts.length + findings.length === 0 ? [] : [[terminal.paint('bold', title), ...facts, ...findings].join('\n')];
  });
  const uses = report.uses.map(
    ({ use, usable }) => `${usable ? terminal.paint('green', '✓') : terminal.paint('red', '✗')} ${USE_TITLES[use]}`,
  );
  const hint = report.script === '' ? [] : ['', 'With --grants: all cures as one script for psql.'];
  return [...sections, '', ...uses, ...hint].join('\n');
}

function lineOf(terminal: Terminal, { severity, message, database, object, fix }: PreflightFinding): string {
  const [colour, sign] = SIGNS[severity];
  const where = database === undefined ? '' : `${visible(database)}: `;
  const what = object === undefined ? '' : ` (${visible(object)})`;
  // Shown as it is to be copied, but a name in it shall not repaint the terminal.
  const cure = fix === undefined ? [] : fix.split('\n').map((line) => `      ${visible(line)}`);
  return [`  ${terminal.paint(colour, sign)} ${where}${message}${what}`, ...cure].join('\n');
}
