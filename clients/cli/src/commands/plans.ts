import { plansCreate, plansList, type Plan } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi, type Api } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { resolve } from '../session/resolve.js';
import { age, table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findServer } from './servers.js';
import { findRepository } from './storages.js';
import { levels } from './verification-levels.js';

export interface CreatePlanOptions {
  name: string;
  server: string;
  repository: string;
  databases: string;
  method: string;
  cron?: string;
  timeZone: string;
  keepLast: string;
  keepProven: string;
  verify: string;
  deep: boolean;
}

export async function createPlan(terminal: Terminal, options: CreatePlanOptions): Promise<void> {
  const api = await openApi();
  const [server, repository] = [await findServer(api, options.server), await findRepository(api, options.repository)];
  const plan = await answer(
    plansCreate({
      client: api.client,
      body: {
        name: options.name,
        server: server.id,
        repository: repository.id,
        method: method(options.method),
        databases: options.databases === 'all' ? 'all' : options.databases.split(','),
        cron: options.cron,
        timeZone: options.timeZone,
        retention: { keepLast: wholeNumber('--keep-last', options.keepLast), keepProven: wholeNumber('--keep-proven', options.keepProven) },
        verify: levels(options.verify),
        deep: options.deep,
      },
    }),
  );
  terminal.result(
    plan,
    `Plan ${plan.name} (${plan.id}): ${plan.cronInWords ?? 'by hand'}, keeps ${plan.retention.keepLast}, never below ${plan.retention.keepProven} proven.`,
  );
}

export async function listPlans(terminal: Terminal): Promise<void> {
  const api = await openApi();
  const plans = await loadPlans(api);
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
        `${plan.retention.keepLast} (${plan.retention.keepProven} proven)`,
        plan.id,
      ]),
    ),
  );
}

const loadPlans = (api: Api): Promise<Plan[]> =>
  allPages((cursor) => answer(plansList({ client: api.client, query: { cursor, limit: 200 } })));

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

function databasesInWords(databases: Plan['databases']): string {
  if (databases === 'all') return 'all';
  if (Array.isArray(databases)) return databases.join(', ');
  const parts = [
    databases.include.join(', '),
    ...databases.exclude.map((pattern) => `not ${pattern}`),
    ...databases.tags.map((tag) => `tagged ${tag}`),
  ];
  return parts.join(', ');
}
