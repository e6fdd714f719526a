import type { Processor, Queue, QueueEvents, Worker, WorkerOptions } from 'bullmq';
import type { SignalBus } from './signal-bus.js';

export type ReceiveOptions = Pick<WorkerOptions, 'concurrency' | 'maxStalledCount' | 'runRetryDelay' | 'stalledInterval'>;

/** What BullMQ needs of Redis or of PostgreSQL; everything else in this library is the same for both. */
export interface QueueBackend {
  /** Whether what a queue has taken stays until it is handled, whatever happens. */
  readonly losesNothing: boolean;
  queue(name: string): Queue;
  worker(name: string, processor: Processor, options: ReceiveOptions): Worker;
  queueEvents(name: string): QueueEvents;
  signals: SignalBus;
  /** After all queues and workers are closed. */
  close(): Promise<void>;
}
