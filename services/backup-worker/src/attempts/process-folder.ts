import { readdir, readlink, realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const DEATH_LIMIT_MS = 5_000;

/**
 * Ends every process that works in this folder or below. A run's child and each tool it starts have the attempt's
 * scratch folder as working directory, so this finds tools whose parent died before it could stop them.
 */
export async function endProcessesIn(folder: string): Promise<number> {
  const place = await realpath(folder).catch(() => undefined);
  if (place === undefined) return 0;
  const ended = new Set<number>();
  for (const deadline = Date.now() + DEATH_LIMIT_MS; Date.now() < deadline; await sleep(25)) {
    const left = await processesIn(place);
    if (left.length === 0) break;
    for (const pid of left) {
      ended.add(pid);
      kill(pid);
    }
  }
  return ended.size;
}

async function processesIn(place: string): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  const found: number[] = [];
  for (const pid of pids) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
    if (cwd === place || cwd?.startsWith(`${place}/`)) found.push(pid);
  }
  return found;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself in the meantime.
  }
}
