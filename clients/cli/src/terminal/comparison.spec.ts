import { describe, expect, it } from '@jest/globals';
import { comparison } from './comparison.js';

const table = (name: string, rows: number, matches = true, schema = 'public') => ({
  schema,
  table: name,
  expectedRows: rows,
  actualRows: rows,
  matches,
});

describe('what a restore compared', () => {
  it('counts large objects as such, not as a table', () => {
    const tables = [table('orders', 5), table('items', 7), table('pg_largeobject', 2, true, 'pg_catalog')];
    expect(comparison({ tables, bytes: 1 })).toBe('2 tables, 2 large objects and 12 rows, every count and hash compared, 0 mismatches');
  });

  it('tells mismatches, and for files what was written', () => {
    expect(comparison({ tables: [table('orders', 5, false)], bytes: 1 })).toBe(
      '1 tables and 5 rows, every count and hash compared, 1 mismatches',
    );
    expect(comparison({ tables: [], bytes: 2_000_000 })).toBe('2.0 MB written, every file compared with its checksum');
  });
});
