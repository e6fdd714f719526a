import type pg from 'pg';
import { RahatError } from '@rahat/contracts';
import { z } from 'zod';
import { quoteIdentifier } from '../errors.js';

const ABOUT = 'about';

/** What a safety copy says of itself: enough to undo it without anything else. */
const About = z.object({
  format: z.literal(1),
  database: z.string(),
  madeAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  tables: z.array(
    z.object({
      /** Of its lists: `removed_1`, `changed_1`, `updated_1`, `inserted_1`. */
      number: z.number().int(),
      schema: z.string(),
      name: z.string(),
      created: z.boolean(),
      /** What the lists hold: the columns that the table had. */
      columns: z.array(z.string()),
      key: z.array(z.object({ name: z.string(), operator: z.string() })),
      removed: z.number().int(),
      changed: z.number().int(),
      inserted: z.number().int(),
    }),
  ),
});
export type SafetyCopyAbout = z.infer<typeof About>;

export async function createSafetyCopy(client: pg.Client, schema: string): Promise<void> {
  await client.query(`CREATE SCHEMA ${quoteIdentifier(schema)}`);
}

export async function recordSafetyCopy(client: pg.Client, schema: string, about: SafetyCopyAbout): Promise<void> {
  const table = `${quoteIdentifier(schema)}.${quoteIdentifier(ABOUT)}`;
  await client.query(`CREATE TABLE ${table} (about pg_catalog.jsonb NOT NULL)`);
  await client.query(`INSERT INTO ${table} VALUES ($1)`, [JSON.stringify(about)]);
  await client.query(
    `COMMENT ON SCHEMA ${quoteIdentifier(schema)} IS 'Rahat Backup: rows that a restore changed, kept for its undo until ${about.expiresAt}'`,
  );
}

export async function hasSafetyCopy(client: pg.Client, schema: string): Promise<boolean> {
  const { rows } = await client.query('SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1', [schema]);
  return rows.length > 0;
}

export async function readSafetyCopy(client: pg.Client, schema: string): Promise<SafetyCopyAbout> {
  const there = await client.query('SELECT pg_catalog.to_regclass($1) IS NOT NULL AS there', [`${quoteIdentifier(schema)}.${ABOUT}`]);
  const [row] = (there.rows[0] as { there: boolean }).there
    ? (await client.query<{ about: unknown }>(`SELECT about FROM ${quoteIdentifier(schema)}.${quoteIdentifier(ABOUT)}`)).rows
    : [];
  const about = About.safeParse(row?.about);
  if (about.success) return about.data;
  throw new RahatError('safety_copy_not_found', `The database holds no safety copy ${schema}`, {
    hint: row ? 'A newer version made it, or it was changed.' : 'It was used by an undo, dropped, or its time is over.',
    cause: about.error,
  });
}

export async function dropSafetyCopy(client: pg.Client, schema: string): Promise<void> {
  await client.query(`DROP SCHEMA ${quoteIdentifier(schema)} CASCADE`);
}
