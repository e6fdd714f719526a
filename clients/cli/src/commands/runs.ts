import { runsCancel, runsGet, runsList, runsLog, runsPause, runsResume, type Run } from '@rahat/api-client';
import { RunState, RunType } from '@rahat/contracts';
import { setTimeout as sleep } from 'node:timers/promises';
import { answer, openApi, type Api } from '../session/api.js';
import { followRun, judgeRun } from '../session/follow-run.js';
import { allPages } from '../session/pages.js';
import { resolve } from '../session/resolve.js';
import { age, bytes, table, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { oneOf, pointInTime } from './list-filters.js';
import { findPlan, wholeNumber } from './plans.js';
import { findServer } from './servers.js';

export async function listRuns(
  terminal: Terminal,
  options: {
    plan?: string;
    server?: string;
    state?: string;
    type?: string;
    tag?: string;
    since?: string;
    until?: string;
    search?: string;
    limit: string;
  },
): Promise<void> {
  const api = await openApi();
  const limit = wholeNumber('--limit', options.limit);
  const query = {
    plan: options.plan === undefined ? undefined : (await findPlan(api, options.plan)).id,
    server: options.server === undefined ? undefined : (await findServer(api, options.server)).id,
    state: oneOf(RunState, 'state', options.state),
    type: oneOf(RunType, 'type', options.type),
    tag: options.tag,
    since: pointInTime('--since', options.since),
    until: pointInTime('--until', options.until),
    q: options.search,
  };
  const runs = await allPages(
    (cursor) => answer(runsList({ client: api.client, query: { ...query, cursor, limit: Math.min(limit, 200) } })),
    limit,
  );
  terminal.result(
    runs,
    table(
      ['ID', 'TYPE', 'STATE', 'DUE', 'ATTEMPT', 'WHY'],
      runs.map((run) => [
        run.id,
        run.backupType && run.backupType !== 'full' ? `${run.type} (${run.backupType})` : run.type,
        run.pause ? `${run.state}, paused` : run.state,
        age(run.dueAt),
        `${run.attempt}/${run.maxAttempts}`,
        run.waitingFor?.message ?? run.reasons[0] ?? '',
      ]),
    ),
  );
}

export async function showRun(terminal: Terminal, id: string): Promise<void> {
  const run = await findRun(await openApi(), id);
  terminal.result(run, described(run));
}

export async function cancelRun(terminal: Terminal, id: string, options: { follow: boolean }): Promise<void> {
  const api = await openApi();
  const asked = await answer(runsCancel({ client: api.client, path: { id: (await findRun(api, id)).id } }));
  const run = options.follow ? await followRun(api, terminal, asked.id, 'cancelling') : asked;
  terminal.result(run, run.state === 'cancelled' ? `Cancelled ${run.id}.` : `Asked its worker to stop ${run.id}.`);
}

export async function pauseRun(terminal: Terminal, id: string): Promise<void> {
  const api = await openApi();
  const run = await answer(runsPause({ client: api.client, path: { id: (await findRun(api, id)).id } }));
  const running = run.state === 'running';
  terminal.result(
    run,
    running
      ? `${run.id} is held up. Its source waits ten minutes by default; then the attempt ends, and the next one starts when the run is resumed.`
      : `${run.id} waits until it is resumed.`,
  );
}

export async function resumeRun(terminal: Terminal, id: string): Promise<void> {
  const api = await openApi();
  const run = await answer(runsResume({ client: api.client, path: { id: (await findRun(api, id)).id } }));
  terminal.result(run, `${run.id} goes on.`);
}

export async function showLog(terminal: Terminal, id: string, options: { follow: boolean }): Promise<void> {
  const api = await openApi();
  const run = await findRun(api, id);
  if (!options.follow) {
    const lines = await allPages((cursor) => answer(runsLog({ client: api.client, path: { id: run.id }, query: { cursor, limit: 200 } })));
    terminal.result(lines, lines.map(line).join('\n'));
    return;
  }
  let shown = 0;
  for (let ended = false; ;) {
    const lines = await allPages((cursor) => answer(runsLog({ client: api.client, path: { id: run.id }, query: { cursor, limit: 200 } })));
    for (const next of lines.slice(shown)) terminal.result(next, line(next));
    // The last lines may come after the end: one more look.
    if (ended && lines.length === shown) break;
    shown = lines.length;
    const current = await answer(runsGet({ client: api.client, path: { id: run.id } }));
    ended = current.finishedAt !== null;
    if (ended && lines.length === shown) judgeRun(current);
    await sleep(ended ? 200 : 1_000);
  }
}

/** Exact id, `latest`, or the beginning of an id among the newest. */
export async function findRun(api: Api, wanted: string): Promise<Run> {
  if (/^run_[0-9a-f]{32}$/.test(wanted)) return answer(runsGet({ client: api.client, path: { id: wanted } }));
  const { data } = await answer(runsList({ client: api.client, query: { limit: wanted === 'latest' ? 1 : 200 } }));
  if (wanted === 'latest' && data[0]) return data[0];
  return resolve('run', wanted, data);
}

function described(run: Run): string {
  const lines = [
    `${run.id}  ${run.type}${run.backupType ? ` (${run.backupType})` : ''}${run.level ? ` (${run.level})` : ''}  ${run.state}${run.pause ? `, paused by ${run.pause.by}` : ''}`,
    `Due        ${run.dueAt}${run.occursAt && run.occursAt !== run.dueAt ? ` (by its schedule ${run.occursAt})` : ''}`,
    `Attempt    ${run.attempt} of ${run.maxAttempts}${run.worker ? ` on ${visible(run.worker)}` : ''}`,
    `Priority   ${run.priority}`,
    ...(run.waitingFor ? [`Waits      ${run.waitingFor.message}${run.waitingFor.until ? ` Until ${run.waitingFor.until}.` : ''}`] : []),
    ...(run.progress
      ? [
          `Progress   ${run.progress.phase}, ${bytes(run.progress.bytes)}${run.progress.slowedBy ? `, ${visible(run.progress.slowedBy)}` : ''}`,
        ]
      : []),
    ...sourceOfRun(run).map((text) => `Source     ${visible(text)}`),
    ...run.reasons.map((reason) => `Reason     ${visible(reason)}`),
    ...(run.error?.hint ? [`To do      ${visible(run.error.hint)}`] : []),
  ];
  return lines.join('\n');
}

/** Where a backup was read, and what the bounds of its plan cost it. */
function sourceOfRun({ evidence }: Run): string[] {
  if (evidence?.type !== 'backup') return [];
  const { source, throttle } = evidence;
  return [
    ...(source ? [`${source.role} ${source.host}:${source.port}`, ...source.passedOver.map((passed) => `not ${passed}`)] : []),
    ...(throttle && throttle.throttledSeconds > 0
      ? [
          `read slower for ${throttle.throttledSeconds} s, of which it was held up for ${throttle.heldSeconds} s, by ${throttle.by.join(', ')}`,
        ]
      : []),
  ];
}

function line({ at, attempt, level, message }: { at: string; attempt: number; level: string; message: string }): string {
  return `${at}  ${attempt}  ${level.padEnd(7)}  ${visible(message)}`;
}
