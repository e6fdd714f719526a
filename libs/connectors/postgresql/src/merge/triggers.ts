import type pg from 'pg';
import { quoteIdentifier } from '../errors.js';
import type { LiveTable } from './live-tables.js';

/** Users' triggers don't fire for what is restored, where the session owns the table; foreign keys are checked all the same. */
export async function silenceTriggers(client: pg.Client, tables: readonly LiveTable[]): Promise<void> {
  for (const { sqlName, name } of silenced(tables)) await client.query(`ALTER TABLE ${sqlName} DISABLE TRIGGER ${quoteIdentifier(name)}`);
}

/** All checks that wait are made now: a table with any of them can't be altered. */
export async function wakeTriggers(client: pg.Client, tables: readonly LiveTable[]): Promise<void> {
  await client.query('SET CONSTRAINTS ALL IMMEDIATE');
  for (const { sqlName, name, always } of silenced(tables))
    await client.query(`ALTER TABLE ${sqlName} ENABLE ${always ? 'ALWAYS ' : ''}TRIGGER ${quoteIdentifier(name)}`);
}

function silenced(tables: readonly LiveTable[]): { sqlName: string; name: string; always: boolean }[] {
  return tables.filter(({ owned }) => owned).flatMap(({ sqlName, triggers }) => triggers.map((trigger) => ({ sqlName, ...trigger })));
}
