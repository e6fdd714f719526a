import { setTimeout as sleep } from 'node:timers/promises';
import { SteadyClient } from '@rahat/persistence';
import { PostgresConnection, PostgresQueueBackend, type BackendFactory, type PostgresConnectionOptions } from 'bullmq';

const RECONNECT_DELAY_MS = 1_000;

/**
 * BullMQ's own `createPostgresBackend`, but with connections that outlive a failed first try: BullMQ remembers that failure for good,
 * and its loops then ask again without any pause until the process ends.
 */
export const createReconnectingBackend: BackendFactory<PostgresQueueBackend, PostgresConnectionOptions> = (
  name,
  opts,
  { withBlockingConnection, blocking } = {},
) => {
  const connection = new ReconnectingConnection(opts.connection);
  const listenName = withBlockingConnection ? name : blocking ? `${name}:qe` : undefined;
  return new ReconnectingBackend(connection, name, opts, true, listenName);
};

/** Where BullMQ keeps what it remembers of its readiness. */
interface Remembering {
  readyPromise: Promise<void> | undefined;
}

/** Where BullMQ has the driver that it makes its dedicated connection with. */
interface Driven {
  pgModule: { Client: unknown } | undefined;
}

class ReconnectingConnection extends PostgresConnection {
  private trying: Promise<void> | undefined;

  constructor(connection: PostgresConnectionOptions) {
    super(connection);
    // BullMQ listens to the errors of that connection only a moment after it stands.
    const driven = this as unknown as Driven;
    if (driven.pgModule) driven.pgModule = { ...driven.pgModule, Client: SteadyClient };
  }

  /** Rejects with the reason of a failed try, after a pause: who asks at once again must not spin. */
  override waitUntilReady(): Promise<void> {
    this.trying ??= super.waitUntilReady().catch(async (error: unknown) => {
      if (!this.isClosing) await sleep(RECONNECT_DELAY_MS);
      this.trying = undefined;
      (this as unknown as Remembering).readyPromise = undefined;
      throw error;
    });
    return this.trying;
  }
}

class ReconnectingBackend extends PostgresQueueBackend {
  /** Loops that listen are begun only once, and end if this fails; who sends hears of a failure. */
  override async waitUntilReady(): Promise<void> {
    const listens = (this as unknown as { listenClientName?: string }).listenClientName !== undefined;
    for (;;) {
      try {
        return await super.waitUntilReady();
      } catch (error) {
        (this as unknown as Remembering).readyPromise = undefined;
        if (!listens || this.connection.isClosing) throw error;
        this.emit('error', error);
      }
    }
  }

  /** A name only helps to find the connection. */
  override async setName(name: string): Promise<void> {
    await super.setName(name).catch((error: unknown) => void this.emit('error', error));
  }
}
