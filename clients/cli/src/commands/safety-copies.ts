import { safetyCopiesEnd, safetyCopiesList, safetyCopiesOutlineEnd, type KeptSafetyCopy, type Run } from '@rahat/api-client';
import { answer, openApi, type Api } from '../session/api.js';
import { followRun, judgeRun } from '../session/follow-run.js';
import { allPages } from '../session/pages.js';
import { resolve } from '../session/resolve.js';
import { age, table } from '../terminal/format.js';
import { endedInWords, tellOutline } from '../terminal/live-restore.js';
import type { Terminal } from '../terminal/terminal.js';
import { endInDatabase } from './offline-safety-copies.js';
import { findServer, loadServers } from './servers.js';

/** Restores into live databases that can still be undone. */
export async function listSafetyCopies(terminal: Terminal, options: { server?: string }): Promise<void> {
  const api = await openApi();
  const server = options.server === undefined ? undefined : (await findServer(api, options.server)).id;
  const [shown, servers] = await Promise.all([keptCopies(api, server), loadServers(api)]);
  terminal.result(
    shown,
    table(
      ['RESTORE', 'SERVER', 'DATABASE', 'RESTORED', 'ROWS KEPT', 'DROPPED', 'SAFETY COPY'],
      shown.map(({ run, server, database, restoredAt, rows, expiresAt, schema, ending }) => [
        run,
        servers.find(({ id }) => id === server)?.name ?? server,
        database,
        age(restoredAt),
        // Its worker was lost: whether the restore was committed, nobody here knows.
        rows === null ? 'if any' : String(rows),
        ending === null ? age(expiresAt) : `now, by ${ending}`,
        schema,
      ]),
    ),
  );
}

export interface EndOptions {
  /** Without the platform: where the safety copy lies. */
  database?: string;
  dryRun: boolean;
  lockWait?: number;
  follow: boolean;
}

/** Puts back what was there before a restore. */
export async function undoRestore(terminal: Terminal, restore: string, options: EndOptions & { force: boolean }): Promise<void> {
  await endSafetyCopy(terminal, restore, { ...options, action: 'undo' });
}

/** A restore that stays: what was kept for its undo is dropped. */
export async function dropSafetyCopy(terminal: Terminal, restore: string, options: EndOptions): Promise<void> {
  await endSafetyCopy(terminal, restore, { ...options, action: 'drop', force: false });
}

type Order = EndOptions & { action: 'undo' | 'drop'; force: boolean };

async function endSafetyCopy(terminal: Terminal, restore: string, { action, force, ...options }: Order): Promise<void> {
  const { database, dryRun, lockWait: lockWaitSeconds, follow } = options;
  if (database !== undefined) return endInDatabase(terminal, restore, { database, dryRun, action, force, lockWaitSeconds });
  const api = await openApi();
  const id = await findRestore(api, restore);
  if (dryRun) {
    const outline = await answer(
      safetyCopiesOutlineEnd({ client: api.client, path: { id }, query: { action, force: force ? 'true' : 'false' } }),
    );
    tellOutline(terminal, outline, 'changed');
    return;
  }
  const started = await answer(safetyCopiesEnd({ client: api.client, path: { id }, body: { action, force, lockWaitSeconds } }));
  if (!follow) {
    terminal.result(started, `Started ${started.id}`);
    return;
  }
  const run = await followRun(api, terminal, started.id, action);
  terminal.result(run, outcome(run));
  judgeRun(run);
}

function outcome({ evidence, reasons }: Run): string {
  if (evidence?.type !== 'restore' || !evidence.ended) return reasons.join('\n');
  const { target, ended, merged = [], findings } = evidence;
  return endedInWords({ database: target, ...ended, merged, findings });
}

async function keptCopies({ client }: Api, server?: string): Promise<KeptSafetyCopy[]> {
  return allPages((cursor) => answer(safetyCopiesList({ client, query: { cursor, server, limit: 200 } })));
}

/** The run of a restore: its exact id, `latest`, or a beginning of one that can still be undone. */
async function findRestore(api: Api, wanted: string): Promise<string> {
  if (/^run_[0-9a-f]{32}$/.test(wanted)) return wanted;
  const copies = (await keptCopies(api)).map(({ run }) => ({ id: run }));
  if (wanted === 'latest' && copies[0]) return copies[0].id;
  return resolve('restore that can be undone', wanted, copies).id;
}
