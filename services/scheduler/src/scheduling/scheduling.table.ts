import type { BlackoutWindow, Scheduling } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';

export interface SchedulingRow {
  organization_id: string;
  blackouts: BlackoutWindow[];
  limits: Scheduling['limits'];
}

export const NO_RULES: Scheduling = { blackouts: [], limits: { pools: {}, storages: {} } };

export async function schedulingOf(transaction: Transaction, organization: string): Promise<Scheduling> {
  const [row] = await transaction.query<SchedulingRow>(`SELECT * FROM scheduling WHERE organization_id = $1`, [organization]);
  return row ? { blackouts: row.blackouts, limits: row.limits } : NO_RULES;
}

export async function windowsOfOrganization(transaction: Transaction, organization: string): Promise<BlackoutWindow[]> {
  return (await schedulingOf(transaction, organization)).blackouts;
}
