import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

interface Process {
  pid: number;
  parent: number;
  command: string;
}

/** Process ids below `parent` whose command line matches. */
export async function descendants(parent: number, pattern: RegExp): Promise<number[]> {
  const processes = await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(describeProcess));
  const below = new Set([parent]);
  for (let grown = true; grown;) {
    grown = false;
    for (const process of processes) {
      if (process && below.has(process.parent) && !below.has(process.pid)) {
        below.add(process.pid);
        grown = true;
      }
    }
  }
  return processes
    .filter((process) => process && process.pid !== parent && below.has(process.pid) && pattern.test(process.command))
    .map((process) => process!.pid);
}

/** The process that executes the run's current attempt: it works in the attempt's scratch folder. */
export async function attemptProcess(platform: number, run: string): Promise<number | undefined> {
  for (const pid of await descendants(platform, /run-child\.js/)) {
    if ((await readlink(`/proc/${pid}/cwd`).catch(() => '')).includes(run)) return pid;
  }
  return undefined;
}

export async function untilAttemptProcess(platform: number, run: string): Promise<number> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(5)) {
    const pid = await attemptProcess(platform, run);
    if (pid !== undefined) return pid;
  }
  throw new Error(`No process executes ${run}.`);
}

/** kill -9; a process that ended in the meantime is dead enough. */
export function kill9(pids: number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

async function describeProcess(name: string): Promise<Process | undefined> {
  try {
    const [status, command] = await Promise.all([readFile(`/proc/${name}/status`, 'utf8'), readFile(`/proc/${name}/cmdline`, 'utf8')]);
    return { pid: Number(name), parent: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]), command: command.replaceAll('\0', ' ') };
  } catch {
    // It ended while we looked.
    return undefined;
  }
}
