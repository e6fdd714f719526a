import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import { CLOCK_TICKS } from '../clock-ticks.js';
import { highWaterMb } from '../peak-memory.js';

export interface Command {
  program: string;
  args: string[];
  env?: Record<string, string>;
  cwd?: string;
  /** Whom it runs as; only root can choose. */
  as?: { uid: number; gid: number };
  /** Files that become the process's standard input and output. */
  stdin?: string;
  stdout?: string;
  /** Hears what it prints when it prints it, where no file takes it. */
  hear?: (text: string) => void;
}

export interface Usage {
  seconds: number;
  /** User and system time of the process and its children. */
  cpuSeconds: number;
  /** Largest resident size of the process. */
  peakMb: number;
  /** What it printed where no file takes it. */
  output: string;
}

const SAMPLE_MS = 20;

/** Runs a command that must succeed. One at a time: the processor time is that of all children which ended meanwhile. */
export async function runMeasured({ program, args, env, cwd, as, stdin, stdout, hear }: Command): Promise<Usage> {
  const files: number[] = [];
  const file = (path: string, flags: string): number => {
    const opened = openSync(path, flags);
    files.push(opened);
    return opened;
  };
  try {
    const before = endedChildrenSeconds('self');
    const started = performance.now();
    const child = spawn(program, args, {
      cwd,
      ...as,
      stdio: [stdin ? file(stdin, 'r') : 'ignore', stdout ? file(stdout, 'w') : 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/root', LC_ALL: 'C.UTF-8', ...env },
    });
    let output = '';
    let complaints = '';
    child.stdout?.on('data', (text: Buffer) => {
      output += text.toString();
      hear?.(text.toString());
    });
    child.stderr?.on('data', (text: Buffer) => (complaints = (complaints + text.toString()).slice(-4000)));
    const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    const peak = watchPeak(child.pid!, closed);
    const [code, signal] = await closed;
    const seconds = (performance.now() - started) / 1000;
    if (code !== 0) throw new RahatError('tool_failed', `${program} ${args[0]} ended with ${signal ?? code}: ${complaints.trim()}`);
    return { seconds, cpuSeconds: endedChildrenSeconds('self') - before, peakMb: await peak, output };
  } finally {
    files.forEach(closeSync);
  }
}

/** cutime + cstime of a process (proc(5)): what its ended children used. */
export function endedChildrenSeconds(pid: number | 'self'): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / CLOCK_TICKS;
}

async function watchPeak(pid: number, closed: Promise<unknown>): Promise<number> {
  let peakMb = 0;
  let running = true;
  void closed.then(
    () => (running = false),
    () => (running = false),
  );
  while (running) {
    peakMb = Math.max(peakMb, highWaterMb(pid));
    await sleep(SAMPLE_MS);
  }
  return peakMb;
}
