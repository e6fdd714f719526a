import type { PlainFrame, FrameFault, OpenFrameJob } from '../threads/jobs.js';
import { JOBS_HERE } from '../threads/session-jobs.js';
import { threadPool, type ThreadPool } from '../threads/thread-pool.js';
import { soundFrame, type FrameIdentity } from './frame-codec.js';
import { OpenedFrame, type WantedIds } from './opened-frame.js';

/** As much is opened here in the time that a thread takes to start. */
const THREADS_FROM_BYTES = 32 * 1024 * 1024;
/** A smaller frame is opened sooner than handed over. */
const SMALL_FRAME_BYTES = 64 * 1024;

export interface SealedFrame extends FrameIdentity {
  key: Buffer;
  sealed: Buffer;
  wanted?: WantedIds;
}

/** Opens a session's frames: in the caller's own thread while there is little to read or no thread is up, then in the pool's. */
export class FrameOpener {
  private openedBytes = 0;
  private expectedBytes = 0;

  constructor(private readonly pool: ThreadPool = threadPool) {}

  /** How many frames are worth having under way at once. */
  get parallel(): number {
    return this.pool.size + 1;
  }

  /** So much plaintext is about to be read: threads that it is worth start in time. */
  expect(bytes: number): void {
    this.expectedBytes = Math.max(this.expectedBytes, this.openedBytes + bytes);
    if (this.worthThreads) this.pool.warmUp();
  }

  /** The sealed bytes are free for other use when this returns its promise, which rejects with `repository_damaged`. */
  async open(frame: SealedFrame): Promise<OpenedFrame> {
    this.openedBytes += frame.plainLength;
    const { key, sealed, repositoryId, frameNumber: number, plainLength, wanted } = frame;
    const places = wanted?.places.flatMap(({ offset, length }) => [offset, length]);
    const chunks = wanted && { places: Uint32Array.from(places!), idKey: wanted.idKey };
    const job: OpenFrameJob = { type: 'openFrame', sealed, key, repositoryId, number, plainLength, chunks };
    const inThread = plainLength >= SMALL_FRAME_BYTES && this.worthThreads && this.pool.warmUp();
    const { plaintext, ids } = soundFrame(await (inThread ? this.inThread(job) : JOBS_HERE.run(job)), frame);
    return new OpenedFrame(plaintext, wanted && { ...wanted, ids });
  }

  private get worthThreads(): boolean {
    return this.pool.started || Math.max(this.openedBytes, this.expectedBytes) >= THREADS_FROM_BYTES;
  }

  private inThread(job: OpenFrameJob): Promise<PlainFrame | FrameFault> {
    // Who wants no ids hashes the whole in the own thread: with a thread more than there are cores it takes a quarter longer (measured).
    const most = job.chunks ? this.pool.size : Math.max(this.pool.size - 1, 1);
    return this.pool.leastBusy(most).run({ ...job, sealed: new Uint8Array(job.sealed) });
  }
}
