export type {
  AnswerHandlers,
  CommandHandlers,
  DeadLetterBox,
  EventHandlers,
  MessageContext,
  Messaging,
  Outbox,
  SendOptions,
  Subscription,
  WorkerHandlers,
} from './messaging.js';
export { openOutbox } from './outbox-writer.js';
export { openMessaging, type MessagingOptions } from './open-messaging.js';
export type { DeadLetter } from './dead-letters.js';
