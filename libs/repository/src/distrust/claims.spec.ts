import { describe, expect, it } from '@jest/globals';
import { judgeClaims, vouchedPacks, type PackTruth } from './claims.js';

const claims = (segments: Record<string, [writer: string, statements: Record<string, string>]>) =>
  new Map(Object.entries(segments).map(([name, [writer, said]]) => [name, { writer, statements: new Map(Object.entries(said)) }]));
const truths = (known: Record<string, string | undefined>) =>
  new Map(
    Object.entries(known).map(([pack, statement]): [string, PackTruth] => [
      pack,
      statement === undefined ? { state: 'lying' } : { state: 'true', statement },
    ]),
  );
const whom = { writer: 'thief' };
const condemned = new Set<string>();

describe('claims of segments', () => {
  it('vouch for a pack where others agree; a collector and a repair only repeat', () => {
    const said = claims({
      a: ['worker', { p1: 'x', p2: 'x' }],
      b: ['other', { p1: 'x', p3: 'x' }],
      c: ['thief', { p1: 'lie', p4: 'x' }],
      d: ['repair', { p5: 'x' }],
      e: ['collector', { p6: 'x' }],
      f: ['thief', { p3: 'y' }],
    });
    expect(Object.fromEntries(vouchedPacks(said, whom))).toEqual({ p1: 'x', p2: 'x', p3: 'x' });
    expect(vouchedPacks(said, 'everyone').size).toBe(0);
  });

  it('of two who say different things vouch for nothing', () => {
    const said = claims({ a: ['worker', { p1: 'x' }], b: ['other', { p1: 'y' }], c: ['third', { p1: 'x' }] });
    expect(vouchedPacks(said, whom).size).toBe(0);
  });

  it('go with their writer, and where they contradict what was proven; what stays true is said anew', () => {
    const said = claims({
      a: ['worker', { p1: 'x' }],
      b: ['thief', { p1: 'x', p2: 'x' }],
      c: ['repair', { p3: 'lie', p4: 'x' }],
      d: ['other', { p5: 'x', p6: 'x' }],
    });
    expect(judgeClaims(said, truths({ p1: 'x', p2: 'x', p3: 'x', p4: 'x', p5: undefined, p6: 'x', p7: 'x' }), { whom, condemned })).toEqual(
      {
        dropped: ['b', 'c', 'd'],
        rewritten: ['p2', 'p3', 'p4', 'p6', 'p7'],
      },
    );
  });

  it('about what is gone stay as they are, and what a collection is about to delete is not named again', () => {
    const said = claims({ a: ['worker', { gone: 'x' }], b: ['thief', { p2: 'x' }] });
    expect(judgeClaims(said, truths({ p2: 'x', p3: 'x' }), { whom, condemned: new Set(['p2', 'p3']) })).toEqual({
      dropped: ['b'],
      rewritten: ['p2'],
    });
  });
});
