import { describe, expect, it } from '@jest/globals';
import { LogLag } from './log-lag.js';

describe('the lag of a followed log', () => {
  it('is the age of the oldest byte that is not committed, however busy the source is', () => {
    const lag = new LogLag();
    expect(lag.secondsAt(0)).toBe(0);
    for (let second = 0; second < 60; second++) {
      lag.written(BigInt(second * 1000 + 1000), second * 1000);
      if (second >= 2) lag.committed(BigInt((second - 2) * 1000 + 1000));
      expect(lag.secondsAt(second * 1000 + 500)).toBe(second < 2 ? second + 0.5 : 1.5);
    }
    lag.committed(60_000n);
    expect(lag.secondsAt(90_000)).toBe(0);
    lag.written(60_000n, 90_000);
    expect(lag.secondsAt(95_000)).toBe(0);
  });

  it('keeps few samples of a source that tells much', () => {
    const lag = new LogLag();
    for (let ms = 0; ms < 10_000; ms++) lag.written(BigInt(ms + 1), ms);
    lag.committed(5_000n);
    expect(lag.secondsAt(10_000)).toBeGreaterThanOrEqual(5);
    expect(lag.secondsAt(10_000)).toBeLessThanOrEqual(5.2);
  });
});
