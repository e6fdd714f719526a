/**
 * Node's flags for a process that does one run. A young generation of 4 MB bounds its memory, and garbage is collected on the
 * one thread: the other cores are busy with compressing and with the database, and a collector that waits for them stops all.
 */
export function runProcessFlags(heapMb: number): string[] {
  return [`--max-old-space-size=${heapMb}`, '--max-semi-space-size=4', '--single-threaded-gc'];
}
