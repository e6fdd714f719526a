import { EVENT_SUBSCRIBERS, QUEUES, RahatError, type EventName } from '@rahat/contracts';
import type { Job, JobsOptions, Queue } from 'bullmq';
import { z } from 'zod';
import { storable } from './storable.js';

/** No worker reads this queue: a dead letter waits for a person. */
export const DEAD_LETTER_QUEUE = 'dead-letters';

/** Stands as the queue of an event whose subscribers nobody knew. */
const UNROUTED = 'unrouted';

const DeadLetter = z.object({
  id: z.string(),
  /** Where the message lay. */
  queue: z.string(),
  message: z.string(),
  name: z.string(),
  payload: z.unknown(),
  error: z.object({ code: z.string(), message: z.string() }),
  attempts: z.number().int(),
  diedAt: z.iso.datetime(),
});
export type DeadLetter = z.infer<typeof DeadLetter>;

/** A message that no retry will help: out of tries, not understood, or refused for good. */
export class DeadLetters {
  constructor(
    private readonly openQueue: (name: string) => Queue,
    /** Of a message that is sent again. */
    private readonly optionsOf: () => JobsOptions,
  ) {}

  async bury(job: Job, error: unknown): Promise<void> {
    const { code, message } = RahatError.from(error);
    await this.add({
      queue: job.queueName,
      message: String(job.id),
      name: job.name,
      payload: job.data,
      error: { code, message },
      attempts: job.attemptsMade + 1,
    });
  }

  /** An event that this version doesn't know; a newer one may route it. */
  async buryUnrouted(event: { id: string; name: string; payload: unknown }): Promise<void> {
    const error = { code: 'message_invalid', message: `Nobody knows the event ${event.name}` };
    await this.add({ queue: UNROUTED, message: event.id, name: event.name, payload: event.payload, error, attempts: 0 });
  }

  private async add(letter: Omit<DeadLetter, 'id' | 'diedAt'>): Promise<void> {
    // The same message dies once, however often its death is noticed.
    const id = `${letter.queue}_${letter.message}`;
    await this.queue().add(letter.name, storable({ ...letter, id, diedAt: new Date().toISOString() }) satisfies DeadLetter, {
      jobId: id,
      attempts: 1,
    });
  }

  async list(start: number, limit: number): Promise<DeadLetter[]> {
    const jobs = await this.queue().getJobs('waiting', start, start + limit - 1, false);
    return jobs.map((job) => DeadLetter.parse(job.data));
  }

  count(): Promise<number> {
    return this.queue().getWaitingCount();
  }

  async find(id: string): Promise<DeadLetter> {
    return DeadLetter.parse((await this.letterJob(id)).data);
  }

  async retry(id: string): Promise<DeadLetter> {
    const job = await this.letterJob(id);
    const letter = DeadLetter.parse(job.data);
    for (const name of homesOf(letter)) {
      const home = this.openQueue(name);
      // BullMQ ignores an id it still holds as failed.
      await (await home.getJob(letter.message))?.remove();
      await home.add(letter.name, letter.payload, { ...this.optionsOf(), jobId: letter.message });
    }
    await job.remove();
    return letter;
  }

  async discard(id: string): Promise<DeadLetter> {
    const job = await this.letterJob(id);
    await job.remove();
    return DeadLetter.parse(job.data);
  }

  private async letterJob(id: string): Promise<Job> {
    const job = await this.queue().getJob(id);
    if (!job) throw new RahatError('not_found', `There is no dead letter ${id}`);
    return job;
  }

  private queue(): Queue {
    return this.openQueue(DEAD_LETTER_QUEUE);
  }
}

function homesOf(letter: DeadLetter): string[] {
  if (letter.queue !== UNROUTED) return [letter.queue];
  const subscribers = EVENT_SUBSCRIBERS[letter.name as EventName];
  if (!subscribers)
    throw new RahatError('conflict', `This version does not know the event ${letter.name} either`, {
      hint: 'Update Rahat Backup, then retry.',
    });
  return subscribers.map(QUEUES.events);
}

/** An error of ours that says so stays true however often it is tried; anything else may be an accident. */
export function isHopeless(error: unknown): boolean {
  return error instanceof RahatError && !error.retryable;
}
