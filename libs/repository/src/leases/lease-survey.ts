import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { LEASES_PREFIX } from '../layout.js';
import { removeUnlessLocked } from '../object-lock/refused-removals.js';
import { openLease, type Lease } from './lease.js';

export interface LiveLease {
  kind: 'writer' | 'reader' | 'collector' | 'unknown';
  holder: string;
  /** By the storage's clock; of a lease that can't be read: the beginning of time. */
  beganAtMs: number;
}

export interface LeaseSurvey {
  live: LiveLease[];
  /** Ran out without being released. */
  expired: number;
}

/**
 * Who works in the repository now, without the asker. An expired lease is removed before anything is decided on its absence: its
 * holder, should it wake up, finds it gone and stops.
 */
export async function surveyLeases(context: RepositoryContext, own: Lease, options: { removeExpired: boolean }): Promise<LeaseSurvey> {
  const survey: LeaseSurvey = { live: [], expired: 0 };
  for await (const { name } of context.store.list(LEASES_PREFIX)) {
    if (name === own.fileName) continue;
    // Of the time before the look: this process may be suspended while the answer is on its way.
    const nowMs = own.serverTimeAtLeastMs();
    const lease = await readLease(context, name);
    if (!lease) continue;
    if (nowMs - lease.renewedAtMs <= lease.lifeMs) {
      survey.live.push(lease);
      continue;
    }
    survey.expired++;
    if (options.removeExpired) await removeUnlessLocked(context.store, name);
  }
  return survey;
}

async function readLease(
  context: RepositoryContext,
  name: string,
): Promise<(LiveLease & { renewedAtMs: number; lifeMs: number }) | undefined> {
  const { store, leaseTtlMs, protocol } = context;
  const marginMs = store.capabilities.serverTime ? 0 : NO_SERVER_TIME_MARGIN_MS;
  const life = (ttlMs: number): number => (protocol.leaseLivesItsTtl ? ttlMs + marginMs : ttlMs / 12);
  // A listing may show an older state; this one is the storage's last word.
  const stat = await store.stat(name);
  if (!stat) return undefined;
  const renewedAtMs = stat.modifiedAt.getTime();
  try {
    const { kind, holder, ttlMs, grantedAt } = openLease(context, name, await store.get(name));
    const beganAtMs = (grantedAt === undefined ? renewedAtMs : Date.parse(grantedAt)) - marginMs;
    return { kind, holder, beganAtMs, renewedAtMs, lifeMs: life(Math.min(ttlMs, MAX_TTL_MS)) };
  } catch (error) {
    if (!(error instanceof RahatError)) throw error;
    if (error.code === 'blob_not_found') return undefined;
    if (!error.code.startsWith('repository_')) throw error;
    return { kind: 'unknown', holder: 'a lease that cannot be read', beganAtMs: 0, renewedAtMs, lifeMs: life(leaseTtlMs) };
  }
}

/** repository.md §7: where the storage gives no time of its own, clocks may be off by this much. */
export const NO_SERVER_TIME_MARGIN_MS = 24 * 60 * 60 * 1000;
/** A forged lease must not stop collections for ever. */
const MAX_TTL_MS = 24 * 60 * 60 * 1000;
