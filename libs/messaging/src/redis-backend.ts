import { Queue, QueueEvents, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { QueueBackend } from './queue-backend.js';
import { deliverSignal, encodeSignal, type SignalBus, type SignalListener } from './signal-bus.js';

export function openRedisBackend(url: string, prefix: string, onError: (error: Error) => void): QueueBackend {
  // Senders must hear at once that Redis is away; their outbox keeps the message.
  const sending = connect(url, { maxRetriesPerRequest: 1, enableOfflineQueue: false }, onError);
  // Receivers wait for Redis as long as it takes; BullMQ demands null.
  const receiving = connect(url, { maxRetriesPerRequest: null }, onError);
  return {
    // It may be flushed, restarted without its data, or fail over to a replica that lags behind.
    losesNothing: false,
    queue: (name) => new Queue(name, { connection: sending, prefix }),
    worker: (name, processor, options) => new Worker(name, processor, { connection: receiving, prefix, ...options }),
    queueEvents: (name) => new QueueEvents(name, { connection: { url, maxRetriesPerRequest: null }, prefix }),
    signals: redisSignals(sending, `${prefix}:signals`, onError),
    close: async () => {
      sending.disconnect();
      receiving.disconnect();
    },
  };
}

function redisSignals(sending: Redis, channel: string, onError: (error: Error) => void): SignalBus {
  const listeners = new Set<SignalListener>();
  let subscriber: Promise<Redis> | undefined;

  async function subscribe(): Promise<Redis> {
    // ioredis subscribes again by itself after a lost connection.
    const connection = sending.duplicate({ enableOfflineQueue: true, maxRetriesPerRequest: null });
    connection.on('error', onError);
    connection.on('message', (_channel: string, text: string) => deliverSignal(text, listeners));
    await connection.subscribe(channel);
    return connection;
  }

  return {
    publish: async (topic, payload) => void (await sending.publish(channel, encodeSignal(topic, payload))),
    listen: async (listener) => {
      listeners.add(listener);
      subscriber ??= subscribe();
      await subscriber;
    },
    close: async () => (await subscriber)?.disconnect(),
  };
}

function connect(
  url: string,
  options: { maxRetriesPerRequest: number | null; enableOfflineQueue?: boolean },
  onError: (error: Error) => void,
): Redis {
  const redis = new Redis(url, { ...options, connectTimeout: 10_000, retryStrategy: (times) => Math.min(50 * 2 ** times, 2_000) });
  redis.on('error', onError);
  return redis;
}
