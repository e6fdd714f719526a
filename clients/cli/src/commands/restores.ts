import { restorePlansCreate, restorePlansGet, restoresRun, type RestorePlan, type Run } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { followRun, judgeRun } from '../session/follow-run.js';
import { bytes, visible } from '../terminal/format.js';
import { mergedLines, outlineLines, restoredInWords } from '../terminal/live-restore.js';
import type { Terminal } from '../terminal/terminal.js';
import { findBackup } from './backups.js';
import { recoveryInWords, recoveryOf, type RecoveryOptions } from './recovery-options.js';
import { partOf, type PartOptions } from './restored-part.js';
import { findServer } from './servers.js';

export interface RestorePlanOptions extends RecoveryOptions, PartOptions {
  toServer?: string;
  as?: string;
  replace?: string;
  folder?: string;
  owner: boolean;
  acl: boolean;
}

export async function planRestore(terminal: Terminal, id: string | undefined, options: RestorePlanOptions): Promise<void> {
  const [where, part, recovery] = [target(options), partOf(options), recoveryOf(options)];
  if (part.fromDatabase !== undefined && options.folder !== undefined)
    throw new RahatError(
      'invalid_input',
      '--from-database brings one database into a server, and --folder the whole server into a folder.',
    );
  if (id === undefined && options.server !== undefined && options.toServer !== undefined)
    throw new RahatError('invalid_input', 'To restore to another server, name the backup from which the moment is reached.', {
      hint: `rahat-backup backup list --server ${options.server}`,
    });
  const api = await openApi();
  if (id === undefined && !(recovery && options.server))
    throw new RahatError('invalid_input', 'Say which backup is restored, or with --server and --to-time which moment of which server.');
  const backup = id === undefined ? undefined : await findBackup(api, id);
  const server = options.toServer ?? (backup ? undefined : options.server);
  const plan = await answer(
    restorePlansCreate({
      client: api.client,
      body: {
        backup: backup?.id,
        server: server ? (await findServer(api, server)).id : undefined,
        recovery,
        timeline: options.timeline,
        target: where,
        ...part,
        noOwner: !options.owner,
        noAcl: !options.acl,
      },
    }),
  );
  terminal.result(plan, describe(terminal, plan));
}

export async function runRestore(terminal: Terminal, id: string, options: { confirm?: string; follow: boolean }): Promise<void> {
  const api = await openApi();
  const plan = await answer(restorePlansGet({ client: api.client, path: { id } }));
  const started = await answer(restoresRun({ client: api.client, body: { plan: plan.id, hash: plan.hash, confirm: options.confirm } }));
  if (!options.follow) {
    terminal.result(started, `Started ${started.id}`);
    return;
  }
  const run = await followRun(api, terminal, started.id, 'restore');
  terminal.result(run, outcome(run));
  judgeRun(run);
}

function target(options: RestorePlanOptions) {
  const given = [options.as, options.replace, options.folder, options.into].filter((value) => value !== undefined);
  if (given.length > 1) throw new RahatError('invalid_input', 'Only one of --as, --replace, --folder and --into can be the target.');
  if (options.folder !== undefined) return { kind: 'folder' as const, path: options.folder };
  if (options.replace !== undefined) return { kind: 'database' as const, name: options.replace, replace: true };
  const name = options.as ?? options.into;
  return name === undefined ? undefined : { kind: 'database' as const, name, replace: false };
}

function describe(terminal: Terminal, plan: RestorePlan): string {
  const name = plan.target.kind === 'database' ? plan.target.name : plan.target.path;
  const needsConfirm = plan.overwrites.length > 0 || plan.intoExisting || Boolean(plan.merge);
  return [
    `Restore plan ${plan.id}: ${rowsInWords(plan)}, ${bytes(plan.sizeBytes)} → ${visible(name)}`,
    ...(plan.recovery ? [`  from ${plan.backup}, and its log from ${plan.recovery.from} ${recoveryInWords(plan.recovery)}`] : []),
    ...outlineLines(terminal, plan, plan.merge ? 'changed' : 'set aside'),
    '',
    `Run it:  rahat-backup restore run ${plan.id}${needsConfirm ? ` --confirm '${name}'` : ''} --follow`,
  ].join('\n');
}

function rowsInWords({ rows, merge, tables, fromDatabase }: RestorePlan): string {
  // What it has is known when the server is recovered.
  if (fromDatabase !== null) return `${merge || tables ? 'a part of ' : ''}database ${visible(fromDatabase)} out of the whole server`;
  if (merge?.content === 'schema') return 'no rows';
  return `${merge?.rows ? 'some of ' : ''}${rows} rows`;
}

function outcome({ id, evidence }: Run): string {
  if (evidence?.type !== 'restore') return '';
  const { merged, safetyCopy } = evidence;
  return [
    restoredInWords(evidence),
    ...(evidence.recovery?.lastTransactionAt ? [`Its last transaction is of ${evidence.recovery.lastTransactionAt}.`] : []),
    ...mergedLines(merged ?? [], 'made'),
    ...evidence.setAside.map((name) => `Kept aside: ${visible(name)}`),
    ...(safetyCopy ? [`Until ${safetyCopy.expiresAt} it can be undone:  rahat-backup restore undo ${id}`] : []),
  ].join('\n');
}
