import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readCondition } from './condition.js';

const COLUMNS = ['id', 'customer_id', 'at', 'note', 'Odd "name"', 'select'];
const sqlOf = (text: string): string => readCondition(text, COLUMNS)('r');

describe('a condition', () => {
  it.each([
    ['customer_id = 7', '(r."customer_id" OPERATOR(pg_catalog.=) 7)'],
    ["note LIKE 'it''s %' OR NOT id IS NULL", `((r."note" LIKE 'it''s %') OR (NOT (r."id" IS NULL)))`],
    ["at >= date '2026-01-01' and id in (1, 2,3)", `((r."at" OPERATOR(pg_catalog.>=) ('2026-01-01')::date) AND (r."id" IN (1, 2, 3)))`],
    [
      '"Odd ""name""" BETWEEN - 1 AND id * (2 + 3)',
      '(r."Odd ""name""" BETWEEN (- 1) AND (r."id" OPERATOR(pg_catalog.*) ((2 OPERATOR(pg_catalog.+) 3))))',
    ],
    ["lower(note) = coalesce(note, 'x')::text", `(pg_catalog."lower"(r."note") OPERATOR(pg_catalog.=) (coalesce(r."note", 'x'))::text)`],
    ['"select" is not distinct from null', '(r."select" IS NOT DISTINCT FROM null)'],
    [
      "date_trunc('day', at) = CAST('2026-01-01' AS timestamptz)",
      `(pg_catalog."date_trunc"('day', r."at") OPERATOR(pg_catalog.=) ('2026-01-01')::timestamptz)`,
    ],
  ])('%s is written anew', (text, sql) => {
    expect(sqlOf(text)).toBe(sql);
  });

  it.each([
    'true; DROP TABLE orders',
    'true) OR (true',
    '1 = 1 -- comment',
    '1 /* comment */ = 1',
    "note = E'\\'; DROP TABLE orders; --'",
    "note = U&'x'",
    'note = $$x$$',
    "pg_read_file('/etc/passwd') IS NULL",
    'pg_catalog.pg_sleep(10) IS NULL',
    'id IN (SELECT 1)',
    'EXISTS (SELECT 1)',
    "nextval('s') > 0",
    "set_config('a', 'b', false) = 'b'",
    "'pg_class'::regclass IS NULL",
    "regclass 'pg_class' IS NULL",
    "password = 'x'",
    'r.id = 1',
    'id = ANY (ARRAY[1])',
    "note = 'open",
    'id =',
    '',
    'id = 1 id',
    'note || \0',
    '('.repeat(200) + 'true' + ')'.repeat(200),
  ])('%s is refused', (text) => {
    expect(() => sqlOf(text)).toThrow(/can't be used/);
  });

  it('keeps every string inside its quotes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0')),
        (value) => {
          const quoted = `'${value.replaceAll("'", "''")}'`;
          expect(sqlOf(`note = ${quoted}`)).toBe(`(r."note" OPERATOR(pg_catalog.=) ${quoted})`);
        },
      ),
    );
  });

  it('of whatever text is refused, or names no function but those it may', () => {
    const piece = fc.constantFrom(
      'id',
      '=',
      '(',
      ')',
      "'",
      '"',
      ';',
      '--',
      'pg_sleep',
      'lower',
      'now',
      'SELECT',
      '1',
      ',',
      'and',
      'not',
      '::',
      'text',
      'in',
      '$1',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        let sql;
        try {
          sql = sqlOf(pieces.join(' '));
        } catch {
          return;
        }
        const outside = sql.replaceAll(/'(?:[^']|'')*'/g, "''");
        expect(outside).not.toMatch(/;|--|\/\*|pg_sleep|SELECT|\$/);
      }),
    );
  });
});
