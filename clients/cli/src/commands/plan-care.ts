import {
  plansDelete,
  plansExplainSchedule,
  plansGet,
  plansPause,
  plansResume,
  plansUpdate,
  type Plan,
  type ScheduleExplanation,
} from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { age, table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { retentionInWords, serversOf, type PlanOptions } from './plan-options.js';
import { changesOf, databasesInWords, findPlan } from './plans.js';
import { findServer } from './servers.js';
import { sourceInWords } from './source-options.js';
import { nothingToChange } from './tag-changes.js';
import { verificationInWords } from './verification-levels.js';

export async function showPlan(terminal: Terminal, name: string): Promise<void> {
  const api = await openApi();
  const plan = await answer(plansGet({ client: api.client, path: { id: (await findPlan(api, name)).id } }));
  terminal.result(plan, described(plan));
}

export async function updatePlan(
  terminal: Terminal,
  name: string,
  options: PlanOptions & { name?: string; byHand: boolean },
): Promise<void> {
  const api = await openApi();
  const before = await findPlan(api, name);
  const body = {
    ...(await changesOf(options)),
    name: options.name,
    servers: await serversOf(api, options),
    ...(options.byHand ? { schedules: [] } : {}),
  };
  if (Object.values(body).every((value) => value === undefined)) throw nothingToChange();
  const plan = await answer(plansUpdate({ client: api.client, path: { id: before.id }, body }));
  terminal.result(plan, described(plan));
}

export async function pausePlan(terminal: Terminal, name: string, options: { reason?: string; until?: string }): Promise<void> {
  const api = await openApi();
  const until = options.until === undefined ? undefined : instant(options.until);
  const { id } = await findPlan(api, name);
  const plan = await answer(plansPause({ client: api.client, path: { id }, body: { reason: options.reason, until } }));
  terminal.result(
    plan,
    `${plan.name} is paused${plan.pause?.until ? ` until ${plan.pause.until}` : ''}. Its occurrences are told as skipped.`,
  );
}

export async function resumePlan(terminal: Terminal, name: string): Promise<void> {
  const api = await openApi();
  const plan = await answer(plansResume({ client: api.client, path: { id: (await findPlan(api, name)).id } }));
  terminal.result(plan, `${plan.name} goes on; next ${age(plan.nextRuns[0] ?? null)}.`);
}

export async function deletePlan(terminal: Terminal, name: string): Promise<void> {
  const api = await openApi();
  const plan = await findPlan(api, name);
  await answer(plansDelete({ client: api.client, path: { id: plan.id } }));
  terminal.result({ id: plan.id, name: plan.name }, `Deleted ${plan.name}. Its backups stay, and no retention removes them.`);
}

/** Of a plan each of its schedules; of a cron expression what it would mean. */
export async function explain(
  terminal: Terminal,
  wanted: string,
  options: { timeZone: string; server?: string; lang: string },
): Promise<void> {
  const api = await openApi();
  const language = options.lang === 'tr' ? ('tr' as const) : ('en' as const);
  const isCron = /\s/.test(wanted.trim()) || wanted.startsWith('@');
  const server = options.server === undefined ? undefined : (await findServer(api, options.server)).id;
  const asked = isCron ? [{ cron: wanted, timeZone: options.timeZone, server }] : await ofPlan(await findPlan(api, wanted), server);
  const explanations: ScheduleExplanation[] = [];
  for (const query of asked) explanations.push(await answer(plansExplainSchedule({ client: api.client, query: { ...query, language } })));
  terminal.result(explanations, explanations.map((explanation) => explained(explanation)).join('\n\n'));
}

async function ofPlan(plan: Plan, server: string | undefined) {
  if (plan.schedules.length === 0) throw new RahatError('not_found', `The plan ${plan.name} has no schedule; it runs by hand.`);
  return plan.schedules.map(({ cron, timeZone }) => ({ cron, timeZone, plan: plan.id, server: server ?? plan.server ?? undefined }));
}

function explained(explanation: ScheduleExplanation): string {
  return [
    explanation.inWords,
    ...explanation.nextRuns.map((at) => `  ${at}  ${age(at)}`),
    ...explanation.clockChanges.map(({ note }) => `  ! ${note}`),
    ...explanation.collisions.map(({ name, at, otherAt }) => `  ! ${at}: the plan ${name} begins at ${otherAt}`),
  ].join('\n');
}

function described(plan: Plan): string {
  const rows: [string, string][] = [
    ['Plan', `${plan.name} (${plan.id})`],
    ['Databases', databasesInWords(plan.databases)],
    ...plan.schedules.map((schedule): [string, string] => [schedule.type, schedule.inWords]),
    [
      'Next',
      plan.enabled
        ? plan.nextRuns.join('\n') || 'by hand'
        : `paused${plan.pause ? ` by ${plan.pause.by}${plan.pause.reason ? `: ${plan.pause.reason}` : ''}` : ''}`,
    ],
    ['Source', sourceInWords(plan)],
    ['Verifies', verificationInWords(plan)],
    ['Keeps', retentionInWords(plan.retention)],
    ['Priority', String(plan.priority)],
    ['Tags', plan.tags.join(', ')],
  ];
  return table(
    ['', ''],
    rows.flatMap(([label, text]) => text.split('\n').map((line, index) => [index === 0 ? label : '', line])),
  )
    .split('\n')
    .slice(1)
    .join('\n');
}

function instant(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime()))
    throw new RahatError('invalid_input', `"${text}" is no time.`, { hint: 'Write it as 2026-12-01T06:00:00+03:00.' });
  return at.toISOString();
}
