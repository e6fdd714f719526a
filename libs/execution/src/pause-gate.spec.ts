import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { PauseGate } from './pause-gate.js';

async function* numbers() {
  for (let number = 0; ; number++) yield number;
}

describe('a pause gate', () => {
  it('holds the source up while paused, and loses nothing', async () => {
    const gate = new PauseGate();
    const got: number[] = [];
    const pull = (async () => {
      for await (const number of gate.through(numbers(), new AbortController().signal)) {
        got.push(number);
        if (number === 2) gate.pause();
        if (number === 5) return;
      }
    })();
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(got).toEqual([0, 1, 2]);
    gate.pause();
    gate.resume();
    await pull;
    expect(got).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('gives way to a cancel', async () => {
    const gate = new PauseGate();
    const stop = new AbortController();
    gate.pause();
    const pull = gate.through(numbers(), stop.signal)[Symbol.asyncIterator]().next();
    stop.abort(new Error('cancelled'));
    await expect(pull).rejects.toThrow('cancelled');
  });
});
