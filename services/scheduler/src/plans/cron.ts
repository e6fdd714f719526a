import { CronExpressionParser } from 'cron-parser';
import cronstrue from 'cronstrue/i18n.js';

export type Language = 'en' | 'tr';

const NAMED: Record<string, string> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};

/** Five fields; the usual names (`@daily` …) stand for theirs. */
export function fieldsOf(cron: string): string {
  const text = cron.trim();
  return NAMED[text.toLowerCase()] ?? text.replaceAll(/\s+/g, ' ');
}

/** Undefined when the expression can be read. Whether it ever comes true is another question. */
export function mistakeInCron(cron: string): string | undefined {
  const text = fieldsOf(cron);
  if (text.startsWith('@')) return `'${text}' is not known; the names are ${Object.keys(NAMED).join(', ')}`;
  const fields = text.split(' ');
  if (fields.length !== 5) return 'five fields are needed: minute hour day month weekday, for example 0 3 * * *';
  // `H` picks a random value, so that the ledger and the interface would disagree about it.
  if (fields.some((field) => field.split(',').some((item) => /^H([(/]|$)/i.test(item)))) return 'H is not supported';
  try {
    CronExpressionParser.parse(text, { tz: 'UTC' });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Comes true in every hour of its days: its rhythm goes on through a doubled hour. */
export function isHourly(cron: string): boolean {
  return CronExpressionParser.parse(fieldsOf(cron), { tz: 'UTC' }).fields.hour.values.length === 24;
}

/** Wall clock times after `start`, written as if they were UTC, without an end. Throws when none follows any more. */
export function* wallClocksOf(cron: string, start: number): Generator<number> {
  const interval = CronExpressionParser.parse(fieldsOf(cron), { tz: 'UTC', currentDate: new Date(start) });
  for (;;) yield interval.next().getTime();
}

export function cronInWords(cron: string, language: Language): string {
  return cronstrue.default.toString(fieldsOf(cron), { use24HourTimeFormat: true, locale: language });
}
