/** How Node is started for a process that does one run. */
export interface RunProcess {
  execArgv: string[];
  env: Record<string, string>;
}

/**
 * Bounds its memory. A young generation of 1 MB; and garbage is collected on the one thread: the other cores are busy with compressing
 * and with the database, and a collector that waits for them stops all. The C library gives large blocks (those of compression) back
 * at once, where it would keep some 5 MB more for each gigabyte (mallopt(3)).
 */
export function runProcess(heapMb: number): RunProcess {
  return {
    execArgv: [`--max-old-space-size=${heapMb}`, '--max-semi-space-size=1', '--single-threaded-gc'],
    env: { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1048576', MALLOC_TRIM_THRESHOLD_: '131072' },
  };
}
