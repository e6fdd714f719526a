import { readFileSync } from 'node:fs';

/**
 * VmHWM: a maximum that the kernel keeps, so sampling misses nothing but the process's last moments. Unlike `ru_maxrss` it begins
 * anew with each program; that one also counts what the process had in memory which forked it. 0 where the process has ended.
 */
export function highWaterMb(pid: number | 'self'): number {
  try {
    return (Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024) / 1e6;
  } catch {
    return 0;
  }
}
