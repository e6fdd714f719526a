import os from 'node:os';
import { median, type BenchResult } from '../result-table.js';

/** What a step took, in each run. */
export interface Taken {
  seconds: number[];
  cpuSeconds: number[];
}

/**
 * How near a step comes to what the machine can do at all, of which `limitSeconds` of one core's work are needed. Of the clock and
 * of the processor's time: the latter doesn't suffer from a busy machine.
 */
export function limitShares(name: string, taken: Taken, limitSeconds: number, least: number): BenchResult[] {
  const wall = median(taken.seconds.map((seconds) => limitSeconds / os.availableParallelism() / seconds));
  return [share(`${name}, share of the limit, wall`, wall, least), processorShare(name, taken, limitSeconds, least)];
}

export function processorShare(name: string, { cpuSeconds }: Pick<Taken, 'cpuSeconds'>, limitSeconds: number, least: number): BenchResult {
  const processor = median(cpuSeconds.map((seconds) => limitSeconds / seconds));
  return share(`${name}, share of the limit, processor`, processor, least);
}

function share(name: string, value: number, least: number): BenchResult {
  return { case: name, ours: value * 100, unit: '%', target: `≥ ${Math.round(least * 100)} %`, met: value >= least };
}
