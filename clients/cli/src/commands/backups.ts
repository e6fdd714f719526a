import { backupsGet, backupsList, backupsVerify, plansRun, runsList, type Backup, type Run } from '@rahat/api-client';
import { BackupQuery, BackupType, RahatError } from '@rahat/contracts';
import { answer, openApi, type Api } from '../session/api.js';
import { followRun, judgeRun } from '../session/follow-run.js';
import { allPages } from '../session/pages.js';
import { age, bytes, table, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { oneOf, pointInTime } from './list-filters.js';
import { findPlan, wholeNumber } from './plans.js';
import { findServer } from './servers.js';
import { level } from './verification-levels.js';

export async function createBackup(terminal: Terminal, name: string, options: { follow: boolean; type: string }): Promise<void> {
  const type = BackupType.safeParse(options.type);
  if (!type.success)
    throw new RahatError('invalid_input', `There is no type "${options.type}".`, { hint: `Use ${BackupType.options.join(', ')}.` });
  const api = await openApi();
  const plan = await findPlan(api, name);
  const { runs } = await answer(plansRun({ client: api.client, path: { id: plan.id }, query: { type: type.data } }));
  if (!options.follow) {
    terminal.result({ runs }, runs.map((run) => `Started ${run.id}`).join('\n'));
    return;
  }
  const finished: Run[] = [];
  for (const run of runs) finished.push(await followRun(api, terminal, run.id, `backup ${plan.name}`));
  const verifications = await followVerifications(api, terminal, finished);
  const backups = await Promise.all(
    finished.flatMap(({ backup }) => (backup ? [answer(backupsGet({ client: api.client, path: { id: backup } }))] : [])),
  );
  terminal.result({ runs: finished, verifications, backups }, backups.map((backup) => summary(backup)).join('\n'));
  for (const run of [...finished, ...verifications]) judgeRun(run);
}

export interface BackupFilters {
  server?: string;
  database?: string;
  plan?: string;
  state?: string;
  proof?: string;
  type?: string;
  tag?: string;
  since?: string;
  until?: string;
  search?: string;
  removed: boolean;
  limit: string;
}

export async function listBackups(terminal: Terminal, options: BackupFilters): Promise<void> {
  const api = await openApi();
  const limit = wholeNumber('--limit', options.limit);
  const query = {
    server: options.server === undefined ? undefined : (await findServer(api, options.server)).id,
    plan: options.plan === undefined ? undefined : (await findPlan(api, options.plan)).id,
    state: oneOf(BackupQuery.shape.state.unwrap(), 'state', options.state),
    proof: oneOf(BackupQuery.shape.proof.unwrap(), 'proof', options.proof),
    type: oneOf(BackupType, 'type', options.type),
    tag: options.tag,
    since: pointInTime('--since', options.since),
    until: pointInTime('--until', options.until),
    q: options.search,
    removed: options.removed ? ('true' as const) : ('false' as const),
  };
  const all = await allPages(
    (cursor) => answer(backupsList({ client: api.client, query: { ...query, cursor, limit: Math.min(limit, 200) } })),
    options.database ? undefined : limit,
  );
  const backups = all.filter(({ databaseName }) => options.database === undefined || databaseName === options.database).slice(0, limit);
  terminal.result(
    backups,
    table(
      ['ID', 'SERVER', 'DATABASE', 'TYPE', 'TAKEN', 'PROOF', 'SIZE', 'STORED', 'ROWS'],
      backups.map((backup) => [
        backup.id,
        backup.serverName,
        backup.databaseName ?? '(whole server)',
        backup.type,
        age(backup.consistentAt),
        backup.proof,
        bytes(backup.sizeBytes),
        bytes(backup.addedBytes),
        String(backup.rows),
      ]),
    ),
  );
}

export async function showBackup(terminal: Terminal, id: string): Promise<void> {
  const api = await openApi();
  const backup = await findBackup(api, id);
  const findings = backup.findings.map(
    (finding) => `  ${finding.severity}: ${finding.message}${finding.object ? ` (${visible(finding.object)})` : ''}`,
  );
  const lines = [
    summary(backup),
    `Snapshot     ${backup.snapshot} in ${backup.repository}`,
    `Label        ${backup.label}, consistency ${backup.consistency}, by ${backup.tool} from ${backup.serverVersion}`,
    ...(backup.type === 'full' ? [] : [`Rests upon   ${backup.parent ?? 'a backup that the catalog does not have'}`]),
    `Content      ${backup.objects} objects, ${backup.rows} rows, ${bytes(backup.sizeBytes)} (${bytes(backup.addedBytes)} newly stored)`,
    `Retention    ${backup.retention.reason}`,
    ...(findings.length > 0 ? ['Findings', ...findings] : []),
  ];
  terminal.result(backup, lines.join('\n'));
}

export async function verifyBackup(terminal: Terminal, id: string, options: { level: string; follow: boolean }): Promise<void> {
  const api = await openApi();
  const backup = await findBackup(api, id);
  const started = await answer(backupsVerify({ client: api.client, path: { id: backup.id }, body: { level: level(options.level) } }));
  if (!options.follow) {
    terminal.result(started, `Started ${started.id}`);
    return;
  }
  const run = await followRun(api, terminal, started.id, `verification ${started.level ?? ''}`);
  terminal.result(run, run.state === 'succeeded' ? `${run.level} verification of ${backup.id} succeeded.` : run.reasons.join('\n'));
  judgeRun(run);
}

/** Exact id, `latest`, or a unique beginning of an id. */
export async function findBackup(api: Api, wanted: string): Promise<Backup> {
  if (/^backup_[0-9a-f]{32}$/.test(wanted)) return answer(backupsGet({ client: api.client, path: { id: wanted } }));
  const backups = await allPages(
    (cursor) => answer(backupsList({ client: api.client, query: { cursor, limit: wanted === 'latest' ? 1 : 200 } })),
    wanted === 'latest' ? 1 : undefined,
  );
  const found =
    wanted === 'latest' ? backups.slice(0, 1) : backups.filter(({ id, snapshot }) => id.startsWith(wanted) || snapshot === wanted);
  if (found.length === 1) return found[0]!;
  throw found.length === 0
    ? new RahatError('not_found', `There is no backup "${wanted}".`, { hint: 'See `rahat-backup backup list`.' })
    : new RahatError('conflict', `"${wanted}" means ${found.length} backups.`, { hint: 'Give more of the id.' });
}

/** A plan's verifications start by themselves after each backup; this waits for all of them. */
async function followVerifications(api: Api, terminal: Terminal, backupRuns: Run[]): Promise<Run[]> {
  const finished: Run[] = [];
  for (const { backup, plan } of backupRuns) {
    if (!backup || !plan) continue;
    const expected = new Set((await findPlan(api, plan)).verify);
    const deadline = Date.now() + 30_000;
    const seen = new Set<string>();
    while (seen.size < expected.size && Date.now() < deadline + finished.length * 30_000) {
      const runs = await allPages((cursor) =>
        answer(runsList({ client: api.client, query: { backup, type: 'verification', cursor, limit: 200 } })),
      );
      const next = runs.find(({ id }) => !seen.has(id));
      if (!next) {
        await new Promise((resolve) => setTimeout(resolve, 400));
        continue;
      }
      seen.add(next.id);
      finished.push(await followRun(api, terminal, next.id, `verification ${next.level ?? ''}`));
    }
  }
  return finished;
}

function summary(backup: Backup): string {
  const of = backup.databaseName === null ? backup.serverName : `${backup.serverName}/${visible(backup.databaseName)}`;
  const proof = backup.proof === 'FULL' ? 'proven by a test restore' : backup.proof === 'damaged' ? 'DAMAGED' : `checked: ${backup.proof}`;
  return `${backup.id}  ${of}  ${backup.state}, ${proof}, taken ${age(backup.consistentAt)}`;
}
