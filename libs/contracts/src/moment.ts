import { z } from 'zod';

const YEARS = /^(?!0000)\d{4}-/;

/**
 * A moment as somebody writes it, with any offset; inside it is in UTC. PostgreSQL knows neither offsets beyond ±15:59,
 * which RFC 3339 allows, nor a year 0.
 */
export const Moment = z.iso
  .datetime({ offset: true })
  .refine((text) => YEARS.test(inUtc(text)), { error: 'expected a year from 1 to 9999', abort: true })
  .overwrite(inUtc);

/** What is no date stays, and was refused for that. */
function inUtc(text: string): string {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date.toISOString();
}
