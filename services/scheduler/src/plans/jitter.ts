import { createHash } from 'node:crypto';

/** How much later than its schedule a run starts: below `jitterMinutes`, whole seconds, and always the same for one occurrence of one plan. */
export function jitterMs(plan: string, occursAt: Date, jitterMinutes: number): number {
  const seconds = jitterMinutes * 60;
  if (seconds === 0) return 0;
  const hash = createHash('sha256').update(`${plan} ${occursAt.toISOString()}`).digest();
  return Math.floor((hash.readUInt32BE(0) / 2 ** 32) * seconds) * 1000;
}
