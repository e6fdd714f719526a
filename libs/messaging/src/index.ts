export type {
  AnswerHandlers,
  CommandHandlers,
  EventHandlers,
  MessageContext,
  Messaging,
  Outbox,
  SendOptions,
  Subscription,
  WorkerHandlers,
} from './messaging.js';
export { openMessaging, type MessagingOptions, type QueueMessaging } from './open-messaging.js';
export type { DeadLetter } from './dead-letters.js';
