import { z } from 'zod';
import { PlainText } from './plain-text.js';

const Limits = { min: z.number().optional(), max: z.number().optional() };
const hasLimit = ({ min, max }: { min?: number; max?: number }): boolean =>
  (min !== undefined || max !== undefined) && (min ?? -Infinity) <= (max ?? Infinity);
const LIMIT_MISTAKE = 'give min, max or both, min not above max';

/** What the query must answer: one row whose first column equals something (`true` for a condition) or lies in a range; or a number of rows. */
export const AssertionExpectation = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('value'), equals: z.union([z.string().max(1000), z.number(), z.boolean(), z.null()]) }).strict(),
  z
    .object({ kind: z.literal('range'), ...Limits })
    .strict()
    .refine(hasLimit, LIMIT_MISTAKE),
  z
    .object({ kind: z.literal('rows'), ...Limits })
    .strict()
    .refine(hasLimit, LIMIT_MISTAKE),
]);
export type AssertionExpectation = z.infer<typeof AssertionExpectation>;

/** A query of the user's, asked of the restored copy in every test restore (FULL), read-only. */
export const Assertion = z
  .object({
    name: PlainText.trim().min(1).max(100),
    /** One SELECT (or WITH, VALUES). */
    sql: z.string().trim().min(1).max(10_000),
    /** Only of this database; absent = of each. Needed where a backup covers the whole server. */
    database: z.string().min(1).max(63).optional(),
    expect: AssertionExpectation,
    timeoutSeconds: z.number().int().min(1).max(3600).default(30),
  })
  .strict()
  .meta({ id: 'Assertion' });
export type Assertion = z.infer<typeof Assertion>;

export const Assertions = z
  .array(Assertion)
  .max(100)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'each assertion needs a name of its own');

export const AssertionEvidence = z.object({
  name: z.string(),
  passed: z.boolean(),
  /** One sentence, whichever way it went. */
  message: z.string(),
  milliseconds: z.number().int(),
});
export type AssertionEvidence = z.infer<typeof AssertionEvidence>;
