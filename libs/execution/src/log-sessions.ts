import type { WritableRepository, WriteSession } from '@rahat/repository';

/** A session that lives long keeps a collection from what it could free (repository.md §7): well below a quarter of an hour. */
const SESSION_MS = 8 * 60_000;

/** One writing session after the other, for commits that have no end. Calls come one at a time. */
export class LogSessions implements AsyncDisposable {
  private current?: { session: WriteSession; until: number };
  private busy = false;
  private timer?: NodeJS.Timeout;
  private formerBytes = 0;

  constructor(
    private readonly repository: WritableRepository,
    private readonly options: { writer: string; signal: AbortSignal },
  ) {}

  get addedBytes(): number {
    return this.formerBytes + (this.current?.session.progress().addedBytes ?? 0);
  }

  async use(work: (session: WriteSession) => Promise<void>): Promise<void> {
    this.busy = true;
    try {
      const former = this.current;
      if (!former || former.until < Date.now()) {
        // What the former one stored stays protected until this one has seen it.
        const session = await this.repository.beginWriting(this.options);
        await this.close();
        this.current = { session, until: Date.now() + SESSION_MS };
        this.timer = setTimeout(() => void (this.busy || this.close()), SESSION_MS);
        this.timer.unref();
      }
      await work(this.current!.session);
    } catch (error) {
      // A session that failed is not used again.
      await this.close();
      throw error;
    } finally {
      this.busy = false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async close(): Promise<void> {
    const { current } = this;
    this.current = undefined;
    clearTimeout(this.timer);
    if (!current) return;
    this.formerBytes += current.session.progress().addedBytes;
    await current.session[Symbol.asyncDispose]().catch(() => undefined); // Its lease ends by itself.
  }
}
