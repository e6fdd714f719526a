import type { LogRange } from '@rahat/contracts';
import { parseLogPosition } from '../physical/log-position.js';

/** What of a log is there. Ranges may touch and overlap. */
export class LogCoverage {
  private readonly byTimeline = new Map<number, Extent[]>();

  constructor(ranges: readonly LogRange[]) {
    for (const range of ranges) {
      const extents = this.byTimeline.get(range.timeline) ?? [];
      extents.push({ range, start: parseLogPosition(range.start), end: parseLogPosition(range.end) });
      this.byTimeline.set(range.timeline, extents);
    }
    for (const extents of this.byTimeline.values()) extents.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  }

  get timelines(): number[] {
    return [...this.byTimeline.keys()].sort((a, b) => a - b);
  }

  /** From here on everything is there up to the result, which is `from` itself when nothing is. */
  wholeUntil(timeline: number, from: bigint): bigint {
    let reached = from;
    for (const { start, end } of this.byTimeline.get(timeline) ?? []) {
      if (start > reached) break;
      if (end > reached) reached = end;
    }
    return reached;
  }

  /** Where something is there again, at or behind this position. */
  nextStart(timeline: number, from: bigint): bigint | undefined {
    return (this.byTimeline.get(timeline) ?? []).find(({ start }) => start >= from)?.start;
  }

  /** Those that hold something of [start, end), by their start. */
  extents(timeline: number, start: bigint, end: bigint): Extent[] {
    return (this.byTimeline.get(timeline) ?? []).filter((extent) => extent.start < end && extent.end > start);
  }
}

export interface Extent {
  range: LogRange;
  start: bigint;
  end: bigint;
}
