import { describe, expect, it } from '@jest/globals';
import { expectedDatabase } from './expected-database.js';

const at = (day: number) => new Date(Date.UTC(2026, 10, day));
const seen = [
  { name: 'shop', missing_since: null },
  { name: 'dropped', missing_since: at(20) },
];
const findings = (name: string | undefined, takenOn = at(10), known = seen) => expectedDatabase(name, known, { consistent_at: takenOn });

describe('the database of a server that is restored', () => {
  it('is expected where it was seen, and had not gone before the backup', () => {
    expect(findings('shop')).toEqual([]);
    expect(findings('dropped')).toEqual([]);
    expect(findings(undefined)).toEqual([]);
  });

  it('is warned of where nobody ever saw it, with those that were', () => {
    expect(findings('shopp')).toEqual([
      expect.objectContaining({ severity: 'warning', object: 'shopp', fix: expect.stringContaining("Seen were 'shop', 'dropped'.") }),
    ]);
  });

  it('is warned of where it had gone before the backup was taken', () => {
    expect(findings('dropped', at(21))).toEqual([
      expect.objectContaining({ severity: 'warning', message: expect.stringContaining('gone from the server by 2026-11-20') }),
    ]);
  });

  it('is not judged on a server that nobody looked at', () => {
    expect(findings('shopp', at(10), [])).toEqual([]);
  });
});
