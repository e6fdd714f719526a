import { readdirSync, readFileSync } from 'node:fs';
import { CLOCK_TICKS } from '../clock-ticks.js';

export interface ProcessUsage {
  cpuSeconds: number;
  rssMb: number;
  /** Shared pages in shares: what the processes take of the machine together. */
  pssMb: number;
}

/** Of the process and all below it: PostgreSQL's processes, and the others. */
export function usageBelow(root: number): { own: ProcessUsage; postgresql: ProcessUsage } {
  const own = { cpuSeconds: 0, rssMb: 0, pssMb: 0 };
  const postgresql = { ...own };
  for (const { pid, name, cpuSeconds } of treeOf(root)) {
    const sum = name === 'postgres' ? postgresql : own;
    sum.cpuSeconds += cpuSeconds;
    const memory = textOf(`/proc/${pid}/smaps_rollup`);
    sum.rssMb += megabytes(memory, 'Rss');
    sum.pssMb += megabytes(memory, 'Pss');
  }
  return { own, postgresql };
}

interface Process {
  pid: number;
  parent: number;
  name: string;
  cpuSeconds: number;
}

function treeOf(root: number): Process[] {
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? described(Number(name)) : []));
  const tree = all.filter(({ pid }) => pid === root);
  for (const process of tree) tree.push(...all.filter(({ parent }) => parent === process.pid));
  return tree;
}

/** proc(5): the name in parentheses may hold spaces, so fields are counted after it. */
function described(pid: number): Process[] {
  const [, name, rest] = /\((.*)\) (.*)/.exec(textOf(`/proc/${pid}/stat`)) ?? [];
  if (rest === undefined) return [];
  const fields = rest.split(' ');
  return [{ pid, parent: Number(fields[1]), name: name!, cpuSeconds: (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS }];
}

/** Busy and idle seconds of the whole machine's cores. */
export function machineUsage(): { busySeconds: number; idleSeconds: number } {
  const [, ...counters] = textOf('/proc/stat').split('\n')[0]!.split(/\s+/).map(Number);
  // The last two stand in the first ones already.
  const [user, nice, system, idle, wait, irq, softirq, steal] = counters as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { busySeconds: (user + nice + system + irq + softirq + steal) / CLOCK_TICKS, idleSeconds: (idle + wait) / CLOCK_TICKS };
}

function megabytes(text: string, field: string): number {
  return (Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024) / 1e6;
}

/** Empty where the process ended meanwhile. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
