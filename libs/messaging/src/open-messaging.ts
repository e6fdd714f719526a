import { EVENT_SUBSCRIBERS, newId, QUEUES, RahatError, type CommandName, type EventName } from '@rahat/contracts';
import { DatabaseAway, type ServiceDatabase } from '@rahat/persistence';
import type { Job, JobsOptions, Queue, QueueEvents } from 'bullmq';
import { DEAD_LETTER_QUEUE, DeadLetters } from './dead-letters.js';
import { isCommand, isEvent, parseCommand, parseEvent } from './message-schemas.js';
import type {
  CommandHandlers,
  DeadLetterBox,
  EventHandlers,
  Messaging,
  MessageContext,
  Outbox,
  SendOptions,
  Subscription,
  WorkerHandlers,
} from './messaging.js';
import { OutboxRelay, type OutboxRow, type SentState } from './outbox-relay.js';
import { DEFAULT_PRIORITY, openOutbox } from './outbox-writer.js';
import { openPostgresBackend } from './postgres-backend.js';
import { ask, replyTo } from './questions.js';
import type { QueueBackend } from './queue-backend.js';
import { Postponed, receive, type Receiver } from './receiver.js';
import { openRedisBackend } from './redis-backend.js';

export interface MessagingOptions {
  /** Where the queues are: Redis or Valkey … */
  redisUrl?: string;
  /** … or PostgreSQL, schema `bullmq`, as the role that owns it. Exactly one of both. */
  postgresUrl?: string;
  /** Keeps installations apart that share a Redis. */
  prefix: string;
  /** How often and how patiently a failing message is tried; default 10 times, 0.5 s doubling. */
  retry?: { attempts: number; firstDelayMs: number };
  log?: { warn(fields: object, message: string): void };
}

const DEFAULT_RETRY = { attempts: 10, firstDelayMs: 500 };
const KEEP_COMPLETED = { count: 1_000, age: 24 * 60 * 60 };
const KEEP_FAILED = { count: 5_000, age: 7 * 24 * 60 * 60 };
const SEND_TIMEOUT_MS = 10_000;
const CONSUMER_CONCURRENCY = 4;
const ANSWER_CONCURRENCY = 16;
const COUNTED_STATES = ['waiting', 'prioritized', 'delayed', 'active', 'failed', 'completed'] as const;

export async function openMessaging(options: MessagingOptions): Promise<Messaging> {
  const onError = (error: Error) => options.log?.warn({ err: error }, 'queues');
  if (Boolean(options.redisUrl) === Boolean(options.postgresUrl))
    throw new RahatError('configuration_invalid', 'The queues need either Redis or PostgreSQL, and not both');
  const backend = options.redisUrl
    ? openRedisBackend(options.redisUrl, options.prefix, onError)
    : await openPostgresBackend(options.postgresUrl!, options.prefix, onError);
  return new BullMessaging(backend, options.retry ?? DEFAULT_RETRY, onError);
}

class BullMessaging implements Messaging {
  private readonly queues = new Map<string, Queue>();
  private readonly events = new Map<string, QueueEvents>();
  private readonly relays: OutboxRelay[] = [];
  private readonly subscriptions = new Set<Subscription>();
  private readonly dead = new DeadLetters(
    (name) => this.queue(name),
    () => ({ ...this.jobOptions(), priority: DEFAULT_PRIORITY }),
  );
  readonly deadLetters: DeadLetterBox = {
    list: (start, limit) => withDeadline(this.dead.list(start, limit)),
    find: (id) => withDeadline(this.dead.find(id)),
    retry: (id) => withDeadline(this.dead.retry(id)),
    discard: (id) => withDeadline(this.dead.discard(id)),
  };
  private closing: Promise<void> | undefined;

  constructor(
    private readonly backend: QueueBackend,
    private readonly retry: { attempts: number; firstDelayMs: number },
    private readonly onError: (error: Error) => void,
  ) {}

  outbox(database: ServiceDatabase): Outbox {
    const relay = new OutboxRelay(
      database,
      {
        publish: (rows) => withDeadline(this.publish(rows)),
        stateOf: this.backend.losesNothing ? undefined : (row) => withDeadline(this.stateOf(row)),
      },
      this.onError,
    );
    this.relays.push(relay);
    return openOutbox(() => relay.wake());
  }

  consumeCommands(queue: string, database: ServiceDatabase, handlers: CommandHandlers): Subscription {
    return this.consume(queue, database, (name) =>
      isCommand(name) && handlers[name]
        ? { parse: (payload) => parseCommand(name, payload), run: handlers[name] as TransactionalHandler }
        : undefined,
    );
  }

  consumeEvents(subscriber: string, database: ServiceDatabase, handlers: EventHandlers): Subscription {
    return this.consume(QUEUES.events(subscriber), database, (name) =>
      isEvent(name) && handlers[name]
        ? { parse: (payload) => parseEvent(name, payload), run: handlers[name] as TransactionalHandler }
        : undefined,
    );
  }

  work(queue: string, handlers: WorkerHandlers, { concurrency }: { concurrency: number }): Subscription {
    return this.subscribe({
      queue,
      concurrency,
      handle: async (job, signal) => {
        const { name } = job;
        if (!isCommand(name) || !handlers[name]) throw notUnderstood(job);
        const run = handlers[name] as (payload: unknown, context: { id: string; signal: AbortSignal }) => Promise<void>;
        await run(parseCommand(name, job.data), { id: job.id!, signal });
      },
    });
  }

  async send<N extends CommandName>(
    queue: string,
    name: N,
    payload: Parameters<Messaging['send']>[2],
    { id = newId('message'), delayMs = 0, priority = DEFAULT_PRIORITY }: SendOptions = {},
  ): Promise<void> {
    await withDeadline(
      this.queue(queue).add(name, parseCommand(name, payload), { ...this.jobOptions(), jobId: id, delay: delayMs, priority }),
    );
  }

  ask: Messaging['ask'] = (pool, name, question, timeoutMs) => {
    const queue = QUEUES.asks(pool);
    const events = this.opened(this.events, queue, () => this.backend.queueEvents(queue));
    return ask(this.queue(queue), events, name, question, timeoutMs);
  };

  answer: Messaging['answer'] = (pool, handlers) =>
    this.subscribe({ queue: QUEUES.asks(pool), concurrency: ANSWER_CONCURRENCY, handle: (job) => replyTo(job, handlers) });

  async signal(topic: string, payload: Record<string, unknown>): Promise<void> {
    await withDeadline(this.backend.signals.publish(topic, payload));
  }

  async onSignal(topic: string, listener: (payload: Record<string, unknown>) => void): Promise<Subscription> {
    let open = true;
    await this.backend.signals.listen((heard, payload) => {
      if (open && heard === topic) listener(payload);
    });
    return { close: async () => void (open = false) };
  }

  async metrics(): Promise<string> {
    this.queue(DEAD_LETTER_QUEUE);
    const lines = ['# HELP rahat_queue_messages Messages in a queue by state', '# TYPE rahat_queue_messages gauge'];
    for (const [name, queue] of this.queues) {
      const counts = await withDeadline(queue.getJobCounts(...COUNTED_STATES));
      for (const state of COUNTED_STATES) lines.push(`rahat_queue_messages{queue="${name}",state="${state}"} ${counts[state] ?? 0}`);
    }
    lines.push(
      '# HELP rahat_dead_letters Messages that were given up',
      '# TYPE rahat_dead_letters gauge',
      `rahat_dead_letters ${await withDeadline(this.dead.count())}`,
    );
    return `${lines.join('\n')}\n`;
  }

  close(): Promise<void> {
    return (this.closing ??= this.drain());
  }

  /** Receivers first, so that what they still send goes out by the relays, which are next. */
  private async drain(): Promise<void> {
    await Promise.all([...this.subscriptions].map((subscription) => subscription.close()));
    await Promise.all(this.relays.map((relay) => relay.close()));
    await this.backend.signals.close();
    await Promise.allSettled([...this.queues.values(), ...this.events.values()].map((part) => part.close()));
    await this.backend.close();
  }

  private consume(
    queue: string,
    database: ServiceDatabase,
    find: (name: string) => { parse(payload: unknown): unknown; run: TransactionalHandler } | undefined,
  ): Subscription {
    return this.subscribe({
      queue,
      concurrency: CONSUMER_CONCURRENCY,
      handle: async (job) => {
        const handler = find(job.name);
        if (!handler) throw notUnderstood(job);
        const payload = handler.parse(job.data);
        try {
          await database.asSystem(`handle ${job.name}`, async (transaction) => {
            // A second delivery waits here for the first one's commit, and then finds its id.
            const recorded = await transaction.query(
              `INSERT INTO processed_messages (consumer, id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id`,
              [queue, job.id],
            );
            if (recorded.length > 0) await handler.run(payload, { id: job.id!, transaction });
          });
        } catch (error) {
          if (error instanceof DatabaseAway) throw new Postponed(error.message, { cause: error });
          throw error;
        }
      },
    });
  }

  private subscribe(receiver: Receiver): Subscription {
    const subscription = receive(this.backend, this.dead, receiver, this.onError);
    this.subscriptions.add(subscription);
    return subscription;
  }

  /** The least of what its queues say: an event is handled when all of its subscribers have handled it. */
  private async stateOf(row: OutboxRow): Promise<SentState> {
    const states = await Promise.all((targetsOf(row) ?? []).map((target) => this.queue(target).getJobState(row.id)));
    if (states.includes('unknown')) return 'lost';
    return states.every((state) => state === 'completed' || state === 'failed') ? 'done' : 'waiting';
  }

  private async publish(rows: OutboxRow[]): Promise<void> {
    const jobs = new Map<string, { name: string; data: unknown; opts: JobsOptions }[]>();
    for (const row of rows) {
      const targets = targetsOf(row);
      if (!targets) {
        await this.dead.buryUnrouted(row);
        continue;
      }
      for (const target of targets) {
        const job = {
          name: row.name,
          data: row.payload,
          opts: { ...this.jobOptions(), jobId: row.id, delay: row.delay_ms, priority: row.priority },
        };
        jobs.set(target, [...(jobs.get(target) ?? []), job]);
      }
    }
    await Promise.all([...jobs].map(([queue, batch]) => this.queue(queue).addBulk(batch)));
  }

  private jobOptions(): JobsOptions {
    return {
      attempts: this.retry.attempts,
      backoff: { type: 'exponential', delay: this.retry.firstDelayMs, jitter: 0.5 },
      removeOnComplete: KEEP_COMPLETED,
      removeOnFail: KEEP_FAILED,
    };
  }

  private queue(name: string): Queue {
    return this.opened(this.queues, name, () => this.backend.queue(name));
  }

  /** One for all uses of a name. What was opened while its server was away stays broken for ever, so it is dropped. */
  private opened<Part extends Queue | QueueEvents>(parts: Map<string, Part>, name: string, open: () => Part): Part {
    const known = parts.get(name);
    if (known) return known;
    const part = open();
    (part as QueueEvents).on('error', this.onError);
    part.waitUntilReady().catch(() => {
      if (parts.get(name) === part) parts.delete(name);
      part.close().catch(this.onError);
    });
    parts.set(name, part);
    return part;
  }
}

/** Undefined for an event that nobody here knows. */
function targetsOf(row: OutboxRow): readonly string[] | undefined {
  return row.kind === 'command' ? [row.queue!] : EVENT_SUBSCRIBERS[row.name as EventName]?.map(QUEUES.events);
}

type TransactionalHandler = (payload: unknown, context: MessageContext) => Promise<void>;

function notUnderstood(job: Job): RahatError {
  return new RahatError('message_invalid', `The queue ${job.queueName} understands no ${job.name}`, {
    hint: 'Its sender may be newer than its reader: update the reader, then retry the dead letter.',
  });
}

/** BullMQ waits for its connection without an end. */
async function withDeadline<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new RahatError('unavailable', 'The queues are not reachable')), SEND_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, timeout]);
  } catch (error) {
    if (error instanceof RahatError) throw error;
    throw new RahatError('unavailable', 'The queues are not reachable', { cause: error });
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
}
