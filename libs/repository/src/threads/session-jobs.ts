import { JobRunner, type Job, type JobResult } from './jobs.js';
import { threadPool, type JobPlace, type ThreadPool } from './thread-pool.js';

/**
 * Below this much work a session stays on its own thread: starting the pool takes about 60 ms and 30 MB, as long as hashing and
 * compressing these bytes.
 */
export const THREADS_FROM_BYTES = 6 * 1024 * 1024;

const runner = new JobRunner();

/** Jobs in the caller's own thread. */
export const JOBS_HERE: JobPlace = {
  run: async <J extends Job>(job: J) => runner.run(job) as JobResult<J>,
};

/** Where a session's jobs run: in its own thread while there is little to do, then in the pool. */
export class SessionJobs {
  readonly here = JOBS_HERE;
  private seenBytes = 0;

  constructor(private readonly pool: ThreadPool = threadPool) {}

  /** Whether threads are worth it by now, with `moreBytes` that wait for work. */
  worthThreads(moreBytes = 0): boolean {
    return this.pool.started || this.seenBytes + moreBytes >= THREADS_FROM_BYTES;
  }

  /** How many jobs can be under way without waiting for each other. */
  get parallel(): number {
    return this.pool.size;
  }

  noteBytes(bytes: number): void {
    this.seenBytes += bytes;
  }

  run<J extends Job>(job: J): Promise<JobResult<J>> {
    return this.worthThreads() ? this.pool.run(job) : this.here.run(job);
  }

  /** One thread of the pool for what must stay together. */
  together(): JobPlace {
    return this.pool.leastBusy();
  }

  newStream(): number {
    return ++lastStreamOfProcess;
  }
}

/** Threads serve all sessions of a process, so the numbers of streams differ among all of them. */
let lastStreamOfProcess = 0;
