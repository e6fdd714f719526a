import type pg from 'pg';
import { quoteLiteral, quoteIdentifier } from '../errors.js';
import type { LiveTable } from './live-tables.js';

/**
 * Moves a table's sequences on where restored rows hold greater values than they gave; never back. Not part of the transaction:
 * if that fails, some numbers are left out.
 */
export async function advanceSequences(client: pg.Client, { sqlName, sequences }: LiveTable): Promise<void> {
  for (const { sqlName: sequence, column, mayWrite } of sequences) {
    if (!mayWrite) continue;
    const name = quoteLiteral(sequence);
    await client.query(
      `SELECT pg_catalog.setval(${name}::pg_catalog.regclass, m.greatest)
         FROM (SELECT pg_catalog.max(l.${quoteIdentifier(column)})::pg_catalog.int8 AS greatest FROM ONLY ${sqlName} l) m, ${sequence} s, pg_catalog.pg_sequence q
        WHERE q.seqrelid = ${name}::pg_catalog.regclass AND q.seqincrement > 0 AND m.greatest <= q.seqmax AND m.greatest >= q.seqmin
          AND (m.greatest > s.last_value OR (m.greatest = s.last_value AND NOT s.is_called))`,
    );
  }
}
