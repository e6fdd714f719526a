import type { CutWindow } from '../chunking/gear-scan.js';
import type { JobPlace } from '../threads/thread-pool.js';
import type { SessionJobs } from '../threads/session-jobs.js';

interface WaitingRun {
  window: CutWindow;
  offset: number;
  lengths: number[];
  ids: Promise<Uint8Array> | undefined;
}

/** Chunks whose ids are known, in the order of the stream. */
export interface DigestedRun {
  window: CutWindow;
  offset: number;
  lengths: number[];
  /** 32 bytes for each chunk. */
  ids: Buffer;
}

/**
 * Ids of a stream's chunks and the SHA-256 of the whole, computed in one place and in order. Where that is shows late: a stream
 * that ends soon is hashed in its own thread, which costs no start of others.
 */
export class StreamDigests {
  private readonly stream: number;
  private readonly waiting: WaitingRun[] = [];
  private place: JobPlace | undefined;
  private undecidedBytes = 0;
  private hashing = true;

  constructor(
    private readonly jobs: SessionJobs,
    private readonly idKey: Buffer,
  ) {
    this.stream = jobs.newStream();
  }

  get length(): number {
    return this.waiting.length;
  }

  /** Consecutive chunks from `offset` of the window on. Their bytes must stay as they are until the run was shifted. */
  push(window: CutWindow, offset: number, lengths: number[]): void {
    const run: WaitingRun = { window, offset, lengths, ids: undefined };
    this.waiting.push(run);
    if (!this.place) {
      this.undecidedBytes += sum(lengths);
      if (this.jobs.worthThreads(this.undecidedBytes)) this.settleIn(this.jobs.together());
    } else this.start(run, this.place);
  }

  /** The oldest run, when its ids are there. */
  async shift(): Promise<DigestedRun> {
    const run = this.waiting[0]!;
    // Nobody waits for one that hasn't begun but when there is no room for more.
    if (!run.ids) this.settleIn(this.place ?? this.jobs.together());
    const ids = Buffer.from((await run.ids!).buffer as ArrayBuffer);
    this.waiting.shift();
    return { window: run.window, offset: run.offset, lengths: run.lengths, ids };
  }

  /** The stream has ended. */
  ended(): void {
    if (!this.place) this.settleIn(this.jobs.here);
  }

  /** Hex SHA-256 of everything pushed. */
  whole(): Promise<string> {
    this.hashing = false;
    return (this.place ?? this.jobs.here).run({ type: 'endDigest', stream: this.stream });
  }

  /** After a failure: waits until nobody reads the windows any more, and gives those that were not shifted. */
  async abandon(): Promise<CutWindow[]> {
    await Promise.allSettled(this.waiting.map(({ ids }) => ids));
    // The thread may be gone, and the hash with it.
    if (this.place && this.hashing) await this.whole().catch(() => undefined);
    return this.waiting.splice(0).map(({ window }) => window);
  }

  private settleIn(place: JobPlace): void {
    this.place = place;
    for (const run of this.waiting) if (!run.ids) this.start(run, place);
  }

  private start(run: WaitingRun, place: JobPlace): void {
    const { memory, offset } = run.window.region;
    const bytes = { memory, offset: offset + run.offset, length: sum(run.lengths) };
    this.jobs.noteBytes(bytes.length);
    run.ids = place.run({ type: 'digest', stream: this.stream, bytes, lengths: run.lengths, idKey: this.idKey });
    // Whoever shifts it sees the error.
    run.ids.catch(() => undefined);
  }
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
