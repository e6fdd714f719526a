/** How Node is started for a process that does one run. */
export interface RunProcess {
  execArgv: string[];
  env: Record<string, string>;
}

/** Above this much of its cap the heap of a process that reads is collected first. */
const READERS_HEAP_MB = 64;

/**
 * Bounds its memory. Garbage is collected on the one thread: the other cores are busy with compressing and with the database, and a
 * collector that waits for them stops all. Where it writes, a young generation of 1 MB, and the C library gives large blocks (those of
 * compression) back at once, where it would keep some 5 MB more for each gigabyte (mallopt(3)). Who only reads has room for 4 MB, for
 * frames that are opened in the memory of those before, and for a heap that isn't marked each time that some have come from threads: a
 * restore takes an eighth less processor time, and 30 MB more. Its files are written while others are put on disk, which holds a thread
 * of Node's pool each.
 */
export function runProcess(heapMb: number, work: 'reads' | 'writes' = 'writes'): RunProcess {
  const flags = [`--max-old-space-size=${heapMb}`, '--single-threaded-gc'];
  if (work === 'reads') {
    const initialMb = Math.min(READERS_HEAP_MB, Math.floor(heapMb / 2));
    return { execArgv: [...flags, '--max-semi-space-size=4', `--initial-old-space-size=${initialMb}`], env: { UV_THREADPOOL_SIZE: '8' } };
  }
  return {
    execArgv: [...flags, '--max-semi-space-size=1'],
    env: { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1048576', MALLOC_TRIM_THRESHOLD_: '131072' },
  };
}
