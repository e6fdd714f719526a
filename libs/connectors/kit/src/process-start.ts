import { readFile } from 'node:fs/promises';

/** When the process was started, in the kernel's ticks; empty when none is alive. With the pid this is unique. */
export async function processStart(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name, in brackets, may hold spaces; starttime is field 22, the 20th after it (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie waits for its parent to look at its exit; it does nothing any more.
  return fields[0] === 'Z' ? '' : (fields[19] ?? '');
}
