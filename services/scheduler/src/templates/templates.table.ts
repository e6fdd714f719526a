import { RahatError, type PlanOutline, type Template } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { BUILT_IN_TEMPLATES } from './built-in-templates.js';

export interface TemplateRow {
  id: string;
  organization_id: string;
  name: string;
  description: string;
  content: PlanOutline;
}

/** By id or name; the organization's own go before built-in ones of the same name. */
export async function findTemplate(transaction: Transaction, idOrName: string): Promise<Template> {
  const [row] = await transaction.query<TemplateRow>(
    `SELECT * FROM templates WHERE id = $1 OR lower(name) = lower($1) ORDER BY id = $1 DESC LIMIT 1`,
    [idOrName],
  );
  const found = row ? presentTemplate(row) : BUILT_IN_TEMPLATES.find(({ id, name }) => id === idOrName || name === idOrName);
  if (!found) throw new RahatError('not_found', `There is no template ${idOrName}`);
  return found;
}

export async function ownTemplates(transaction: Transaction): Promise<Template[]> {
  return (await transaction.query<TemplateRow>(`SELECT * FROM templates ORDER BY name`)).map(presentTemplate);
}

export function presentTemplate(row: TemplateRow): Template {
  return { id: row.id, name: row.name, description: row.description, builtIn: false, content: row.content };
}
