import { setTimeout as sleep } from 'node:timers/promises';
import { newId, RahatError, type Answer, type Question, type QuestionName, type SerializedRahatError } from '@rahat/contracts';
import type { Job, Queue, QueueEvents } from 'bullmq';
import type { AnswerHandlers } from './messaging.js';
import { storable } from './storable.js';
import { isQuestion, parseAnswer, parseQuestion } from './message-schemas.js';

interface AskedQuestion {
  question: unknown;
  /** Nobody waits any longer; milliseconds since 1970. */
  deadline: number;
}
type Reply = { answer: unknown } | { error: SerializedRahatError };

/** Answers lie in the queue only until the asker has them. */
const KEEP_SECONDS = 60;
const LOOK_AGAIN_MS = 500;

export async function ask<N extends QuestionName>(
  queue: Queue,
  events: QueueEvents,
  name: N,
  question: Question<N>,
  timeoutMs: number,
): Promise<Answer<N>> {
  const deadline = Date.now() + timeoutMs;
  const data: AskedQuestion = { question: parseQuestion(name, question), deadline };
  let job: Job | undefined;
  const enough = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new RahatError('unavailable', `Nobody answered ${name} in ${timeoutMs} ms`, {
            hint: 'Check that a worker of this pool is running.',
          }),
        ),
      timeoutMs,
    );
  });
  const reply = (async (): Promise<Reply> => {
    await events.waitUntilReady();
    job = await queue.add(name, data, {
      jobId: newId('message'),
      attempts: 1,
      removeOnComplete: { age: KEEP_SECONDS },
      removeOnFail: { age: KEEP_SECONDS },
    });
    return (await Promise.race([job.waitUntilFinished(events, timeoutMs), lookForReply(queue, job.id!, enough.signal)])) as Reply;
  })();
  try {
    const received = await Promise.race([reply, timeout]);
    if ('error' in received) throw RahatError.deserialize(received.error);
    return parseAnswer(name, received.answer) as Answer<N>;
  } catch (error) {
    if (error instanceof RahatError) throw error;
    throw new RahatError('unavailable', `${name} could not be asked`, { cause: error });
  } finally {
    clearTimeout(timer);
    enough.abort();
    reply.catch(() => undefined);
    await job?.remove().catch(() => undefined); // being answered right now; it goes by its age
  }
}

/**
 * BullMQ says it is ready before it has read where its events begin, and forgets those of an interruption: a reply that
 * comes then is never heard of.
 */
async function lookForReply(queue: Queue, id: string, signal: AbortSignal): Promise<unknown> {
  for (;;) {
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
    const job = await queue.getJob(id).catch(() => undefined); // the queue is away; it is looked at again until the deadline
    if (job?.failedReason) throw new Error(job.failedReason);
    if (job?.finishedOn) return job.returnvalue;
  }
}

/** Never throws: the asker waits for words, and a retry is the asker's decision. */
export async function replyTo(job: Job, handlers: AnswerHandlers): Promise<Reply> {
  try {
    const { question, deadline } = job.data as AskedQuestion;
    if (Date.now() > deadline) throw new RahatError('deadline_exceeded', 'Nobody waits for this answer any longer');
    if (!isQuestion(job.name) || !handlers[job.name])
      throw new RahatError('message_invalid', `Nobody here answers ${job.name}`, { hint: 'Update the workers of this pool.' });
    const name = job.name;
    const handler = handlers[name] as (question: unknown) => Promise<unknown>;
    return { answer: parseAnswer(name, await handler(parseQuestion(name, question))) };
  } catch (error) {
    return { error: storable(RahatError.from(error).serialize()) };
  }
}
