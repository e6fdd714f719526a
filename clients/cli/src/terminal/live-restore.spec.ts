import { describe, expect, it } from '@jest/globals';
import { endedInWords, mergedLines, outlineLines, restoredInWords } from './live-restore.js';
import { openTerminal } from './terminal.js';

const plain = openTerminal({ json: false, colour: false });
const merged = (table: string, counts: { inserted?: number; updated?: number; removed?: number; created?: boolean }) => ({
  schema: 'public',
  table,
  created: false,
  inserted: 0,
  updated: 0,
  removed: 0,
  ...counts,
});

describe('a restore into a live database', () => {
  it('is told as a plan: steps, what changes, and findings with their cures', () => {
    const findings = [
      { code: 'right_missing', severity: 'blocker' as const, message: 'It lacks a right.', fix: 'GRANT x;\nGRANT y;' },
      { code: 'trigger_fires', severity: 'warning' as const, message: 'A trigger \u001b[2Jfires.' },
    ];
    expect(outlineLines(plain, { steps: ['Do it'], overwrites: ['shop: public.orders'], findings }, 'changed').join('\n')).toBe(
      [
        '  1. Do it',
        '  ! will be changed: shop: public.orders',
        '  blocker: It lacks a right. → GRANT x;',
        'GRANT y;',
        '  warning: A trigger \\u001b[2Jfires.',
      ].join('\n'),
    );
  });

  it('tells each table’s changes, and tables that were made or dropped', () => {
    const tables = [
      merged('orders', { inserted: 2, updated: 1, removed: 3 }),
      merged('log', {}),
      merged('line', { created: true, inserted: 9 }),
    ];
    expect(mergedLines(tables, 'made')).toEqual([
      '  public.orders: 2 rows inserted, 1 rows updated, 3 rows removed',
      '  public.log: nothing to change',
      '  public.line: made, 9 rows inserted',
    ]);
    expect(mergedLines([merged('line', { created: true, removed: 9 })], 'dropped')).toEqual(['  public.line: dropped, 9 rows removed']);
  });

  it('that brought no rows compared none, and no files either', () => {
    expect(restoredInWords({ target: 'shop', tables: [], bytes: 0, merged: [] })).toBe('Restored to shop: no rows.');
    const tables = [{ schema: 'public', table: 'orders', expectedRows: 5, actualRows: 5, matches: true }];
    expect(restoredInWords({ target: 'shop', tables, bytes: 9, merged: [] }, '0198f3a1')).toBe(
      'Restored 0198f3a1 to shop: 1 tables and 5 rows, every count and hash compared, 0 mismatches.',
    );
  });

  it('is undone, or cannot be any more', () => {
    const ended = { database: 'shop', schema: 'rahat_undo_1', merged: [], findings: [] };
    expect(endedInWords({ ...ended, action: 'undo', merged: [merged('orders', { inserted: 3 })] })).toBe(
      'Put back in shop what was there before the restore:\n  public.orders: 3 rows inserted',
    );
    expect(endedInWords({ ...ended, action: 'drop' })).toBe("Dropped rahat_undo_1 of shop: that restore can't be undone any more.");
    const findings = [{ code: 'safety_copy_gone', severity: 'info' as const, message: 'There is none.' }];
    expect(endedInWords({ ...ended, action: 'drop', findings })).toBe('shop holds no rahat_undo_1 any more.');
  });
});
