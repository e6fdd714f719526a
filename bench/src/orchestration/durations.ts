/** The value that this share of all don't exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}

export function spread(milliseconds: readonly number[]): string {
  const [p50, p95, most] = [0.5, 0.95, 1].map((share) => Math.round(percentile(milliseconds, share)));
  return `p50 ${p50}, p95 ${p95}, max ${most} ms`;
}

export async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const started = performance.now();
  const result = await work();
  return { ms: performance.now() - started, result };
}
