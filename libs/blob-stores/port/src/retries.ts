import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import { throwIfAborted } from './blob-name.js';

export interface RetryPolicy {
  /** Tries in all, the first one included. */
  tries: number;
  /** Pauses are random between nothing and this, doubled from try to try. */
  firstPauseMs: number;
  longestPauseMs: number;
  /** No new try begins, and a running one is given up, this long after the first began. */
  deadlineMs: number;
}

/**
 * Seven tries span about half a minute of trouble. The deadline stays under the 225 s after which the engine gives a call up
 * (an eighth of a lease's life, repository.md §7), so that the cause is told and not only that it took too long.
 */
export const RETRY_POLICY: RetryPolicy = { tries: 7, firstPauseMs: 500, longestPauseMs: 15_000, deadlineMs: 210_000 };

/** Trouble that passes by itself. A full disk doesn't within seconds, though a later run may succeed. */
function mayPass(error: unknown): boolean {
  return error instanceof RahatError && error.retryable && error.code !== 'storage_full' && error.code !== 'cancelled';
}

/**
 * Repeats `attempt` while it fails with trouble that may pass. It must be safe to repeat, also when an earlier try that was
 * given up still takes effect later. `failures` counts the tries before.
 */
export async function withRetries<T>(
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  attempt: (within: AbortSignal, failures: number) => Promise<T>,
): Promise<T> {
  throwIfAborted(signal);
  const deadline = AbortSignal.timeout(policy.deadlineMs);
  const within = signal ? AbortSignal.any([signal, deadline]) : deadline;
  for (let failures = 0; ;) {
    try {
      return await untilAborted(within, attempt(within, failures));
    } catch (error) {
      throwIfAborted(signal);
      if (deadline.aborted) throw tooLate(policy, error);
      failures += 1;
      if (!mayPass(error) || failures >= policy.tries) throw error;
      await pause(policy, failures, within).catch(() => undefined);
      throwIfAborted(signal);
      if (deadline.aborted) throw error;
    }
  }
}

/** Full jitter: many clients that failed together don't come back together. */
async function pause({ firstPauseMs, longestPauseMs }: RetryPolicy, failures: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.random() * Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1)), undefined, { signal });
}

/** Also where a driver doesn't listen to its signal. */
function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const end = (): void => ended.reject(new RahatError('cancelled', 'The call to the storage was given up', { cause: signal.reason }));
  signal.addEventListener('abort', end, { once: true });
  return Promise.race([work, ended.promise]).finally(() => signal.removeEventListener('abort', end));
}

function tooLate({ deadlineMs }: RetryPolicy, error: unknown): RahatError {
  if (error instanceof RahatError && error.code !== 'cancelled') return error;
  return new RahatError('storage_unreachable', `The storage did not answer within ${deadlineMs / 1000} s`, { cause: error });
}
