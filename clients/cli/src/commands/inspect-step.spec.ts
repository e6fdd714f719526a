import { describe, expect, it } from '@jest/globals';
import { inspectStep } from './inspect-step.js';

describe('what is typed while a server is looked at', () => {
  it.each([
    ['to-time 2026-11-27T14:05:00+03:00', { kind: 'time', time: '2026-11-27T11:05:00.000Z', inclusive: true }],
    [' to-time 2026-11-27T14:05:00Z before ', { kind: 'time', time: '2026-11-27T14:05:00.000Z', inclusive: false }],
    ['to-lsn 16/b374d848', { kind: 'lsn', lsn: '16/B374D848', inclusive: true }],
    ['to-transaction 745 before', { kind: 'transaction', transaction: '745', inclusive: false }],
    ['to-name the night before', { kind: 'name', name: 'the night before' }],
    ['to-end', { kind: 'end' }],
  ])('%s goes on to there', (line, target) => {
    expect(inspectStep(line)).toEqual({ kind: 'advance', target });
  });

  it.each([['promote'], ['quit']])('%s ends the look', (line) => {
    expect(inspectStep(` ${line} `)).toEqual({ kind: line });
  });

  it.each([['promote now'], ['to-time'], ['to-time 2026-11-27T14:05:00'], ['to-end before'], ['SELECT 1;'], ['help']])(
    '%s is refused',
    (line) => {
      expect(() => inspectStep(line)).toThrow(expect.objectContaining({ code: 'invalid_input' }));
    },
  );
});
