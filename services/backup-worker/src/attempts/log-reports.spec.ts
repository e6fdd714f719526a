import { describe, expect, it } from '@jest/globals';
import { joinedRanges, type CommandPayload, type LogRange, type RunSpec } from '@rahat/contracts';
import { LogReports } from './log-reports.js';
import { ReportSender } from './report-sender.js';

const range = (start: number, end: number, more: Partial<LogRange> = {}): LogRange => ({
  timeline: 1,
  start: `0/${start}`,
  end: `0/${end}`,
  ...more,
});

describe('what a follower committed', () => {
  it('is told with what it committed before: a message that is late or lost leaves no hole', async () => {
    const told: CommandPayload<'log.committed.v1'>[] = [];
    const sender = new ReportSender({
      send: async (_queue: string, _name: string, payload: unknown) => void told.push(payload as never),
    } as never);
    const reports = new LogReports(sender, 'worker-1', new AbortController().signal);
    const spec = { run: 'run_1', attempt: 2 } as RunSpec;
    const rest = { stream: 'stream_1', receivedLsn: '0/9', serverLsn: '0/9', at: '2026-11-27T00:00:00Z' };
    reports.tell(spec, { ...rest, ranges: [range(1, 2)] });
    reports.tell(spec, { ...rest, ranges: [range(2, 3, { lastCommitAt: '2026-11-27T00:00:00Z' })] });
    reports.tell(spec, { ...rest, ranges: [range(2, 4, { timeline: 2 })], branches: [{ timeline: 2, parent: 1, at: '0/2' }] });
    await new Promise(setImmediate);
    expect(told.map(({ ranges }) => ranges)).toEqual([
      [range(1, 2)],
      [range(1, 3, { lastCommitAt: '2026-11-27T00:00:00Z' })],
      [range(1, 3, { lastCommitAt: '2026-11-27T00:00:00Z' }), range(2, 4, { timeline: 2 })],
    ]);
    expect(told[2]).toMatchObject({ run: 'run_1', attempt: 2, worker: 'worker-1', branches: [{ timeline: 2 }] });
  });

  it('is one range as far as it is whole, and no further', () =>
    expect(joinedRanges([range(1, 2), range(3, 4), range(4, 5)])).toEqual([range(1, 2), range(3, 5)]));
});
