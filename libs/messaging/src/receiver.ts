import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import { DelayedError, type Job, type Processor, UnrecoverableError, type Worker } from 'bullmq';
import { type DeadLetters, isHopeless } from './dead-letters.js';
import type { Subscription } from './messaging.js';
import type { QueueBackend, ReceiveOptions } from './queue-backend.js';
import { storable } from './storable.js';

/** A worker that is killed comes back by itself; only a message that keeps killing its workers dies of it. */
const MOST_STALLS = 5;
/** BullMQ's own 15 s would keep messages, and a shutdown, waiting long after a database is back or gone. */
const RECONNECT_DELAY_MS = 1_000;
/** A killed worker's lock ends after 30 s; its message goes to another one at the next look. */
const STALL_CHECK_MS = 10_000;

/** How long a message waits whose receiver has lost what it needs to handle any message. */
const POSTPONE_MS = 2_000;

/** Not this message's fault: it comes again, and it costs none of its tries. */
export class Postponed extends Error {}

export interface Receiver {
  queue: string;
  concurrency: number;
  handle: (job: Job, signal: AbortSignal) => Promise<unknown>;
}

/** Takes jobs of one queue; what fails for good becomes a dead letter before BullMQ forgets it. */
export function receive(
  backend: QueueBackend,
  deadLetters: DeadLetters,
  receiver: Receiver,
  onError: (error: Error) => void,
): Subscription {
  const buried = new WeakSet<Job>();
  const process: Processor = async (job, token, signal) => {
    try {
      return await receiver.handle(job, signal ?? new AbortController().signal);
    } catch (error) {
      if (error instanceof Postponed) {
        await job.moveToDelayed(Date.now() + POSTPONE_MS, token);
        throw new DelayedError();
      }
      const reason = storable(RahatError.from(error).message);
      if (!isHopeless(error) && job.attemptsMade + 1 < (job.opts.attempts ?? 1)) throw new Error(reason, { cause: error });
      await deadLetters.bury(job, error);
      buried.add(job);
      throw new UnrecoverableError(reason);
    }
  };
  const options: ReceiveOptions = {
    concurrency: receiver.concurrency,
    maxStalledCount: MOST_STALLS,
    runRetryDelay: RECONNECT_DELAY_MS,
    stalledInterval: STALL_CHECK_MS,
  };
  const open = (): Worker => {
    const worker = backend.worker(receiver.queue, process, options);
    worker.on('error', onError);
    worker.on('failed', (job, error) => {
      // For good, and not by the processor: it stalled too often.
      if (job?.finishedOn && !buried.has(job)) deadLetters.bury(job, error).catch(onError);
    });
    // Someone else may own the job now; going on would be a second execution.
    worker.on('lockRenewalFailed', (jobs) => jobs.forEach((id) => worker.cancelJob(id, 'the lock was lost')));
    return worker;
  };
  let worker = open();
  let closing: Promise<void> | undefined;
  // BullMQ gives a worker up whose first connection fails; one that was ready once reconnects by itself.
  const getReady = async (): Promise<void> => {
    while (!closing) {
      try {
        await worker.waitUntilReady();
        return;
      } catch (error) {
        onError(error as Error);
        // Its connections must have died before it is closed: closing takes their error listeners away.
        await sleep(RECONNECT_DELAY_MS);
        await worker.close(true).catch(onError);
        if (!closing) worker = open();
      }
    }
  };
  void getReady();
  return { close: () => (closing ??= worker.close()) };
}
