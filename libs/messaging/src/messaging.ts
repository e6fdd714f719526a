import type { Answer, CommandName, CommandPayload, EventName, EventPayload, Question, QuestionName } from '@rahat/contracts';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { DeadLetter } from './dead-letters.js';

/** Puts messages in the service's outbox, in the transaction of the state change; a relay carries them on (design.md §5). */
export interface Outbox {
  command<N extends CommandName>(
    transaction: Transaction,
    queue: string,
    name: N,
    payload: CommandPayload<N>,
    options?: SendOptions,
  ): Promise<void>;
  event<N extends EventName>(transaction: Transaction, name: N, payload: EventPayload<N>): Promise<void>;
}

export interface SendOptions {
  /** Message id; a second message with the same id is the same message. Default: a new one. */
  id?: string;
  delayMs?: number;
  /** 1 (first) to 100; default 50. */
  priority?: number;
}

export interface MessageContext {
  id: string;
  /** The transaction in which this message's id was recorded; the effect belongs into it. */
  transaction: Transaction;
}

export type CommandHandlers = { [N in CommandName]?: (payload: CommandPayload<N>, context: MessageContext) => Promise<void> };
export type EventHandlers = { [N in EventName]?: (payload: EventPayload<N>, context: MessageContext) => Promise<void> };
/** For a worker, which has no database: delivery is at least once, the handler makes it harmless. */
export type WorkerHandlers = {
  [N in CommandName]?: (payload: CommandPayload<N>, context: { id: string; signal: AbortSignal }) => Promise<void>;
};
export type AnswerHandlers = { [N in QuestionName]?: (question: Question<N>) => Promise<Answer<N>> };

export interface Subscription {
  /** Takes no more messages and waits for those in hand. */
  close(): Promise<void>;
}

/** Messages that were given up. They wait for a person. */
export interface DeadLetterBox {
  /** The one that died last first. */
  list(start: number, limit: number): Promise<DeadLetter[]>;
  /** Rejects with `not_found`. */
  find(id: string): Promise<DeadLetter>;
  /** Puts the message back to where it lay, with all its tries. */
  retry(id: string): Promise<DeadLetter>;
  /** The message is never handled. */
  discard(id: string): Promise<DeadLetter>;
}

/** A process's connection to the queues (BullMQ on Redis, or on PostgreSQL). */
export interface Messaging {
  /** The outbox of one service's database, with its relay running. */
  outbox(database: ServiceDatabase): Outbox;
  consumeCommands(queue: string, database: ServiceDatabase, handlers: CommandHandlers): Subscription;
  consumeEvents(subscriber: string, database: ServiceDatabase, handlers: EventHandlers): Subscription;
  /** Without a database on this side. */
  work(queue: string, handlers: WorkerHandlers, options: { concurrency: number }): Subscription;
  /** Directly on the queue, for senders without a database; resolves when the queue has it. */
  send<N extends CommandName>(queue: string, name: N, payload: CommandPayload<N>, options?: SendOptions): Promise<void>;
  /** Of a pool's workers, or of `SCHEDULER`. Rejects with the answering side's RahatError, or `unavailable` after `timeoutMs`. */
  ask<N extends QuestionName>(respondent: string, name: N, question: Question<N>, timeoutMs: number): Promise<Answer<N>>;
  answer(respondent: string, handlers: AnswerHandlers): Subscription;
  /** Fire and forget to every process that listens now; used for cancel, which is repeated until it shows effect. */
  signal(topic: string, payload: Record<string, unknown>): Promise<void>;
  onSignal(topic: string, listener: (payload: Record<string, unknown>) => void): Promise<Subscription>;
  readonly deadLetters: DeadLetterBox;
  /** Counts of messages as Prometheus text. */
  metrics(): Promise<string>;
  close(): Promise<void>;
}
