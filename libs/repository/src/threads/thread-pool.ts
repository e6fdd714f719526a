import { availableParallelism } from 'node:os';
import { types } from 'node:util';
import { Worker } from 'node:worker_threads';
import { RahatError } from '@rahat/contracts';
import { handedOver, THREAD_ROLE, type Job, type JobAnswer, type JobMessage, type JobResult } from './jobs.js';

/** More would wait for the one thread that cuts. */
const MAX_THREADS = 8;
/** Threads cost about 15 MB each, so a process that has nothing to do for them gives them back. */
const IDLE_MS = 5_000;
/** A thread keeps no objects but the buffers of the job at hand. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };

/** Something that runs jobs in the order in which it gets them; a stream's digests all go to the same one. */
export interface JobPlace {
  run<J extends Job>(job: J): Promise<JobResult<J>>;
}

interface PendingJob {
  resolve(result: never): void;
  reject(error: unknown): void;
  cost: number;
}

/** The process's threads, shared by all sessions; each is started when those before it are busy, all end when idle. */
export class ThreadPool implements JobPlace {
  private readonly threads: JobThread[] = [];
  private idleTimer: NodeJS.Timeout | undefined;

  constructor(
    readonly size = Math.max(1, Math.min(availableParallelism(), MAX_THREADS)),
    private readonly idleMs = IDLE_MS,
  ) {}

  get started(): boolean {
    return this.threads.some((thread) => thread.alive);
  }

  /** No job is under way, and no thread knows the beginning of a stream. */
  get idle(): boolean {
    return this.threads.every(({ idle }) => idle);
  }

  run<J extends Job>(job: J): Promise<JobResult<J>> {
    return this.leastBusy().run(job);
  }

  /** A thread for jobs that must stay together; one of the first `most`, where others have something to do beside the threads. */
  leastBusy(most = this.size): JobPlace {
    clearTimeout(this.idleTimer);
    const alive = this.threads.slice(0, most).filter((thread) => thread.alive);
    const best = alive.toSorted((a, b) => a.load - b.load)[0];
    return best && (best.load === 0 || alive.length === most) ? best : this.startAnother();
  }

  /** Whether a thread takes jobs by now; starts one where there is none, which takes a while. */
  warmUp(): boolean {
    if (!this.started) {
      this.startAnother();
      this.rest();
    }
    return this.threads.some(({ alive, online }) => alive && online);
  }

  async end(): Promise<void> {
    clearTimeout(this.idleTimer);
    await Promise.all(this.threads.splice(0).map((thread) => thread.end()));
  }

  private startAnother(): JobThread {
    const free = this.threads.findIndex(({ alive }) => !alive);
    const thread = new JobThread(() => this.rest());
    this.threads[free < 0 ? this.threads.length : free] = thread;
    return thread;
  }

  private rest(): void {
    clearTimeout(this.idleTimer);
    if (!this.idle) return;
    this.idleTimer = setTimeout(() => void this.end(), this.idleMs).unref();
  }
}

/** One thread. When it dies, all that waits for it fails with the cause. */
class JobThread implements JobPlace {
  alive = true;
  /** It has started and takes jobs. */
  online = false;
  /** What waits for this thread, in bytes of hashing. */
  load = 0;
  private readonly worker: Worker;
  private readonly pending = new Map<number, PendingJob>();
  /** Whose hashes it keeps: a source may pause for as long as it likes. */
  private readonly streams = new Set<number>();
  private lastId = 0;

  constructor(private readonly onIdle: () => void) {
    // Tests run the sources, which Node reads as they are.
    const file = new URL(import.meta.url.endsWith('.ts') ? './jobs.ts' : './jobs.js', import.meta.url);
    this.worker = new Worker(file, { workerData: THREAD_ROLE, resourceLimits: RESOURCE_LIMITS, execArgv: [] });
    this.worker.unref();
    this.worker.on('online', () => (this.online = true));
    this.worker.on('message', (answer: JobAnswer) => this.settle(answer));
    this.worker.on('error', (error) => this.fail(error));
    this.worker.on('exit', (code) => this.fail(new Error(`it ended with code ${code}`)));
  }

  get idle(): boolean {
    return this.load === 0 && this.streams.size === 0;
  }

  run<J extends Job>(job: J): Promise<JobResult<J>> {
    if (!this.alive) return Promise.reject(threadLost(new Error('it has ended before')));
    assertShared(job);
    const id = ++this.lastId;
    const cost = costOf(job);
    if (job.type === 'digest') this.streams.add(job.stream);
    if (job.type === 'endDigest') this.streams.delete(job.stream);
    // Only while somebody waits for it does a thread keep the process from ending.
    if (this.pending.size === 0) this.worker.ref();
    this.load += cost;
    const result = new Promise<JobResult<J>>((resolve, reject) => this.pending.set(id, { resolve, reject, cost }));
    this.worker.postMessage({ id, job } satisfies JobMessage, handedOver(job));
    return result;
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }

  private settle(answer: JobAnswer): void {
    const job = this.pending.get(answer.id);
    if (!job) return;
    this.pending.delete(answer.id);
    this.load -= job.cost;
    if (this.pending.size === 0) {
      this.worker.unref();
      this.onIdle();
    }
    if ('error' in answer) job.reject(answer.error);
    else job.resolve(answer.result as never);
  }

  private fail(cause: Error): void {
    this.alive = false;
    const lost = [...this.pending.values()];
    this.pending.clear();
    this.streams.clear();
    this.load = 0;
    for (const { reject } of lost) reject(threadLost(cause));
  }
}

/** Other memory would be copied, and what the thread writes there would be lost. */
function assertShared(job: Job): void {
  const region = 'bytes' in job ? job.bytes : 'file' in job ? job.file : undefined;
  if (region && !types.isSharedArrayBuffer(region.memory))
    throw new RahatError('internal', 'A thread was given memory that it cannot share.');
}

function threadLost(cause: Error): RahatError {
  return new RahatError('internal', `A thread that hashes and compresses has died: ${cause.message}.`, { cause, retryable: true });
}

/** Compressing takes about five times as long as hashing (one core, zstd level 3). */
function costOf(job: Job): number {
  switch (job.type) {
    case 'digest':
      return job.bytes.length * 2;
    case 'compress':
      return job.bytes.length * (job.speed === 'small' ? 20 : 6);
    case 'sealPack':
      return job.file.length * 2;
    case 'openFrame':
      return job.plainLength * (job.chunks ? 3 : 2);
    case 'endDigest':
      return 1;
  }
}

export const threadPool = new ThreadPool();
