import { type LogBranch, lsnText, RahatError } from '@rahat/contracts';
import { parseLogPosition } from '../physical/log-position.js';

/** A piece of the way that a log takes: on this timeline from `start` to `end`, which is open on the last. */
export interface TimelineStep {
  timeline: number;
  start: bigint;
  end?: bigint;
}

/** The file `<timeline>.history`: the whole way to a timeline, oldest first, itself last. */
export function parseTimelineHistory(timeline: number, content: Buffer | undefined): TimelineStep[] {
  const steps: TimelineStep[] = [];
  let start = 0n;
  for (const line of (content?.toString('utf8') ?? '').split('\n')) {
    if (line.trim() === '' || line.trim().startsWith('#')) continue;
    const parts = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line);
    if (!parts?.[1] || !parts[2]) throw new RahatError('dump_invalid', `The history of timeline ${timeline} cannot be understood: ${line}`);
    const end = parseLogPosition(parts[2]);
    steps.push({ timeline: Number(parts[1]), start, end });
    start = end;
  }
  if (steps.some((step) => step.timeline >= timeline))
    throw new RahatError('dump_invalid', `The history of timeline ${timeline} names a later one`);
  return [...steps, { timeline, start }];
}

/** Where each timeline of a way comes from; the oldest's own beginning is not told. */
export function branchesOf(way: readonly TimelineStep[]): LogBranch[] {
  return way.slice(1).map(({ timeline, start }, i) => ({ timeline, parent: way[i]!.timeline, at: lsnText(start) }));
}

/** `0000000A.history` */
export function historyFileName(timeline: number): string {
  return `${hex8(timeline)}.history`;
}

export function segmentFileName(timeline: number, position: bigint, segmentSize: number): string {
  const perFile = 0x100000000n / BigInt(segmentSize);
  const segment = position / BigInt(segmentSize);
  return `${hex8(timeline)}${hex8(Number(segment / perFile))}${hex8(Number(segment % perFile))}`;
}

function hex8(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}
