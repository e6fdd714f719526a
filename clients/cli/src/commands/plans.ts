import { plansCreate, plansList, templatesCreatePlan, type CreatePlanFromTemplate, type Plan } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi, type Api } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { resolve } from '../session/resolve.js';
import { age, table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { assertionsIn } from './assertion-files.js';
import {
  catchUpOf,
  continuousLogOf,
  databasesOf,
  retentionInWords,
  retentionOf,
  schedulesOf,
  serversOf,
  type PlanOptions,
} from './plan-options.js';
import { findServer } from './servers.js';
import { sourceLimitsOf, sourceOf } from './source-options.js';
import { findRepository } from './storages.js';
import { levels, verificationSchedules, verifyEvery } from './verification-levels.js';

export interface CreatePlanOptions extends PlanOptions {
  name: string;
  repository: string;
  method?: string;
  template?: string;
}

export async function createPlan(terminal: Terminal, options: CreatePlanOptions): Promise<void> {
  const api = await openApi();
  const servers = await serversOf(api, options);
  if (!servers) throw new RahatError('invalid_input', 'A plan needs servers.', { hint: 'Give --server, --server-group or --server-tag.' });
  const repository = await findRepository(api, options.repository);
  const body = {
    name: options.name,
    servers,
    repository: repository.id,
    method: options.method === undefined ? undefined : method(options.method),
    ...(await changesOf(options)),
  };
  const plan = options.template
    ? await answer(templatesCreatePlan({ client: api.client, path: { id: options.template }, body }))
    : await answer(plansCreate({ client: api.client, body }));
  terminal.result(plan, `Plan ${plan.name} (${plan.id}): ${plan.cronInWords ?? 'by hand'}, keeps ${retentionInWords(plan.retention)}.`);
}

/** What the options say of a plan; what they don't say is absent. */
export async function changesOf(
  options: PlanOptions,
): Promise<Omit<CreatePlanFromTemplate, 'name' | 'repository' | 'method' | 'server' | 'servers'>> {
  return {
    databases: databasesOf(options),
    ...schedulesOf(options),
    jitterMinutes: options.jitter,
    priority: options.priority,
    tags: options.tag,
    retention: retentionOf(options),
    verify: options.verify === undefined ? undefined : levels(options.verify),
    verifyEvery: options.verifyEvery && verifyEvery(options.verifyEvery),
    verifySchedules: options.verifySchedule && verificationSchedules(options.verifySchedule, options.timeZone),
    assertions: options.assertions === undefined ? undefined : await assertionsIn(options.assertions),
    deep: options.deep,
    continuousLog: continuousLogOf(options),
    source: sourceOf(options),
    sourceLimits: sourceLimitsOf(options),
    catchUp: catchUpOf(options.catchUp),
    deadlineMinutes: options.deadlineMinutes,
    noProgressMinutes: options.stalledMinutes,
  };
}

export async function listPlans(terminal: Terminal, options: { server?: string; tag?: string }): Promise<void> {
  const api = await openApi();
  const server = options.server === undefined ? undefined : (await findServer(api, options.server)).id;
  const plans = await loadPlans(api, { server, tag: options.tag });
  terminal.result(
    plans,
    table(
      ['NAME', 'METHOD', 'DATABASES', 'WHEN', 'NEXT', 'KEEPS', 'ID'],
      plans.map((plan) => [
        plan.name,
        plan.method.replace('postgresql.', ''),
        databasesInWords(plan.databases),
        plan.enabled ? (plan.cronInWords ?? 'by hand') : 'paused',
        age(plan.nextRuns[0] ?? null),
        retentionInWords(plan.retention),
        plan.id,
      ]),
    ),
  );
}

const loadPlans = (api: Api, filter: { server?: string; tag?: string } = {}): Promise<Plan[]> =>
  allPages((cursor) => answer(plansList({ client: api.client, query: { ...filter, cursor, limit: 200 } })));

export const findPlan = async (api: Api, name: string): Promise<Plan> => resolve('plan', name, await loadPlans(api));

function method(name: string) {
  if (name === 'logical' || name === 'postgresql.logical') return 'postgresql.logical' as const;
  if (name === 'physical' || name === 'postgresql.physical') return 'postgresql.physical' as const;
  throw new RahatError('invalid_input', `There is no method "${name}".`, { hint: 'Use logical or physical.' });
}

export function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new RahatError('invalid_input', `${option} needs a whole number, not "${text}".`);
  return Number(text);
}

export function databasesInWords(databases: Plan['databases']): string {
  if (databases === 'all') return 'all';
  if (Array.isArray(databases)) return databases.join(', ');
  const parts = [
    databases.include.join(', '),
    ...databases.exclude.map((pattern) => `not ${pattern}`),
    ...databases.tags.map((tag) => `tagged ${tag}`),
  ];
  return parts.join(', ');
}
