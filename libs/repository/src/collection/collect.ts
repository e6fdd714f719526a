import { RahatError } from '@rahat/contracts';
import { throwIfCancelled } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import { assertCollectable, parseDescriptor } from '../descriptor/descriptor.js';
import { Lease } from '../leases/lease.js';
import type { CollectOptions, CollectReport } from '../repository.js';
import { Collector } from './collector.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const DEFAULT_GRACE_MS = DAY_MS;
const DEFAULT_UNDO_PERIOD_MS = 7 * DAY_MS;

export async function collectGarbage(context: RepositoryContext, options: CollectOptions): Promise<CollectReport> {
  throwIfCancelled(options.signal);
  const { dryRun = false, graceMs = DEFAULT_GRACE_MS, undoPeriodMs = DEFAULT_UNDO_PERIOD_MS, signal } = options;
  const leastGraceMs = 2 * context.leaseTtlMs;
  if (graceMs < leastGraceMs)
    throw new RahatError(
      'invalid_input',
      `Condemned packs are kept for at least ${leastGraceMs / 60_000} minutes; ${graceMs / 60_000} are too few.`,
    );
  if (undoPeriodMs < 0) throw new RahatError('invalid_input', 'The time during which a removal can be undone cannot be negative.');
  assertCollectable(parseDescriptor(context.config.descriptor));
  const lease = await Lease.take(context, 'collector', 'collector');
  try {
    return await new Collector(context, lease, { dryRun, graceMs, undoPeriodMs, signal }).run();
  } finally {
    await lease.release().catch(() => undefined);
  }
}
