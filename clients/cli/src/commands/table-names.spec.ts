import { describe, expect, it } from '@jest/globals';
import { parseRename, parseRowSelection, parseTableName } from './table-names.js';

describe('names on the command line', () => {
  it('of tables are a schema and a table, quoted as PostgreSQL quotes', () => {
    expect(parseTableName('shop.orders')).toEqual({ schema: 'shop', table: 'orders' });
    expect(parseTableName('"odd.schema"."table ""x"""')).toEqual({ schema: 'odd.schema', table: 'table "x"' });
    for (const wrong of ['orders', 'a.b.c', '.orders', '"a.b']) expect(() => parseTableName(wrong)).toThrow('is not a table name');
  });

  it.each([
    ['public.orders: customer_id = 7', 'public', 'orders', 'customer_id = 7'],
    ["public.orders:at >= '2026-01-01'::date", 'public', 'orders', "at >= '2026-01-01'::date"],
    ['"a: b"."c:d" : note = \'x: "y"\'\nAND id > 1', 'a: b', 'c:d', 'note = \'x: "y"\'\nAND id > 1'],
  ])('%j names rows of a table', (text, schema, table, condition) => {
    expect(parseRowSelection(text)).toEqual({ schema, table, condition });
  });

  it.each(['public.orders', 'public.orders:', ': id = 1', 'orders: id = 1', 'public.orders id = 1'])('%j names no rows', (text) => {
    expect(() => parseRowSelection(text)).toThrow(/names no table and condition|is not a table name/);
  });

  it('of a new place are those of tables, or of whole schemas', () => {
    expect(parseRename('public.orders=public.orders_of_monday')).toEqual({
      from: { schema: 'public', table: 'orders' },
      to: { schema: 'public', table: 'orders_of_monday' },
    });
    expect(parseRename('public=monday')).toEqual({ from: { schema: 'public' }, to: { schema: 'monday' } });
    expect(parseRename('"a=b"."c" = "d.e"."f"')).toEqual({ from: { schema: 'a=b', table: 'c' }, to: { schema: 'd.e', table: 'f' } });
    for (const wrong of ['public.orders=monday', 'public=monday.orders', 'public.orders', '=monday', 'public='])
      expect(() => parseRename(wrong)).toThrow(/is no renaming|is not a table name/);
  });
});
