import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { RahatError, type Question, type RunSecrets } from '@rahat/contracts';
import { readContents } from '@rahat/execution';
import type { WorkerConfig } from '../config.js';
import type { Janitor } from '../janitor/janitor.js';
import { upload } from './upload.js';

/** They share the worker's process with its heartbeats. */
const MOST_AT_ONCE = 4;
const FIRST_PIECE_LIMIT_MS = 55_000;

/** Reads out of backups for somebody who waits, and sends it there: it passes through, and lies nowhere. */
export class Contents {
  private readonly logger = new Logger('backup-worker');
  private readonly sending = new Set<Promise<void>>();

  constructor(
    private readonly config: WorkerConfig,
    private readonly janitor: Janitor,
    private readonly stopping: AbortSignal,
  ) {}

  /** Resolves when the first piece is on its way; what is wrong with the backup or the question is thrown before. */
  async send(question: Question<'backup.read.v1'>, secrets: RunSecrets): Promise<{ started: true }> {
    const to = secrets.upload;
    if (!to) throw new RahatError('message_invalid', 'The question came without the place where its answer is waited for');
    if (this.sending.size >= MOST_AT_ONCE)
      throw new RahatError('unavailable', `The worker reads out of ${MOST_AT_ONCE} backups already`, { hint: 'Try again in a moment.' });
    const started = Promise.withResolvers<{ started: true }>();
    const sent = this.readAndSend(question, secrets, to, () => started.resolve({ started: true })).then(
      () => undefined,
      (error: unknown) => {
        started.reject(error);
        this.logger.warn(`What was read out of ${question.snapshot} did not reach its end: ${RahatError.from(error).message}`);
      },
    );
    this.sending.add(sent);
    void sent.finally(() => this.sending.delete(sent));
    return started.promise;
  }

  async drain(): Promise<void> {
    await Promise.all(this.sending);
  }

  private async readAndSend(
    { order, repository, snapshot }: Question<'backup.read.v1'>,
    secrets: RunSecrets,
    to: NonNullable<RunSecrets['upload']>,
    onStarted: () => void,
  ): Promise<void> {
    await using scratch = await this.janitor.makeScratch(`contents_${randomUUID().replaceAll('-', '')}`, 1);
    const gone = new AbortController();
    const signal = AbortSignal.any([gone.signal, this.stopping]);
    const pieces = readContents(order, { repository, snapshot }, secrets, {
      signal,
      toolFolders: this.config.RAHAT_TOOL_FOLDERS,
      scratchFolder: scratch.path,
      cacheFolder: this.config.RAHAT_WORKER_CACHE,
    });
    const late = setTimeout(
      () => gone.abort(new RahatError('deadline_exceeded', `Nothing was found within ${FIRST_PIECE_LIMIT_MS / 1000} s`)),
      FIRST_PIECE_LIMIT_MS,
    );
    try {
      const first = await pieces.next();
      clearTimeout(late);
      onStarted();
      await upload(to, kept(first.done ? undefined : first.value, pieces), signal);
    } finally {
      clearTimeout(late);
      gone.abort();
      await pieces.return(undefined);
    }
  }
}

/** Copies of the lent pieces. */
async function* kept(first: Buffer | undefined, others: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (first === undefined) return;
  yield Buffer.from(first);
  for await (const piece of others) yield Buffer.from(piece);
}
