import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { waitingOutput } from './log-output.js';

function loggerTo(written: string[]) {
  return pino(
    { base: undefined, timestamp: false, formatters: { level: (label) => ({ level: label }) } },
    waitingOutput((lines) => void written.push(lines)),
  );
}

describe('the output of a log', () => {
  it('writes what went well together, and soon', async () => {
    const written: string[] = [];
    const log = loggerTo(written);
    log.info('one');
    log.info('two');
    expect(written).toEqual([]);
    await sleep(250);
    expect(written).toEqual(['{"level":"info","msg":"one"}\n{"level":"info","msg":"two"}\n']);
  });

  it.each(['warn', 'error', 'fatal'] as const)('writes a line of the level %s at once, with all before it', (level) => {
    const written: string[] = [];
    const log = loggerTo(written);
    log.info('before');
    log[level]('look');
    expect(written).toEqual([`{"level":"info","msg":"before"}\n{"level":"${level}","msg":"look"}\n`]);
  });

  it('lets no more wait than a pipe takes in one piece', () => {
    const written: string[] = [];
    const log = loggerTo(written);
    for (let line = 0; line < 20; line++) log.info('x'.repeat(400));
    expect(written.length).toBeGreaterThan(0);
    expect(Math.max(...written.map((lines) => lines.length))).toBeLessThan(5_000);
  });

  it('loses nothing when the process leaves', () => {
    const written: string[] = [];
    loggerTo(written).info('last');
    process.emit('exit', 0);
    expect(written).toEqual(['{"level":"info","msg":"last"}\n']);
  });
});
