import { readFileSync } from 'node:fs';

/** When a process started, in the kernel's ticks; undefined where /proc doesn't say. */
export function processStart(pid: number): string | undefined {
  try {
    // Field 22 of /proc/<pid>/stat; counted after the name in parentheses, which may hold spaces.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19];
  } catch {
    return undefined;
  }
}

/** Whether the process that started at `start` still lives under `pid`. */
export function isSameProcess(pid: number, start: string): boolean {
  if (!isAlive(pid)) return false;
  const now = processStart(pid);
  return now === undefined || start === '' || now === start;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
