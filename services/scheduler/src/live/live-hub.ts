import type { Messaging, Subscription } from '@rahat/messaging';
import type { EventStream } from './event-stream.js';
import { LIVE_TOPIC, type LiveSignal } from './live-signal.js';

/** Proxies give up after 30 s and more without a byte. */
const BEAT_MS = 20_000;

export type LiveListener = (signal: LiveSignal) => void;

/** The streams that this replica serves: every replica hears every signal, and each serves its own readers. */
export class LiveHub {
  private readonly listeners = new Map<string, Set<LiveListener>>();
  private readonly streams = new Set<EventStream>();
  private subscription: Subscription | undefined;
  private beating: NodeJS.Timeout | undefined;

  constructor(private readonly messaging: Messaging) {}

  async onApplicationBootstrap(): Promise<void> {
    this.subscription = await this.messaging.onSignal(LIVE_TOPIC, (payload) => {
      const signal = payload as LiveSignal;
      for (const listener of this.listeners.get(signal.organization) ?? []) listener(signal);
    });
    this.beating = setInterval(() => this.streams.forEach((stream) => stream.beat()), BEAT_MS);
    this.beating.unref();
  }

  /** Readers go on at another replica. */
  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.beating);
    for (const stream of this.streams) stream.end();
    await this.subscription?.close();
  }

  /** Until the stream ends. */
  attend(stream: EventStream, organization: string, listener: LiveListener): void {
    const ofOrganization = this.listeners.get(organization) ?? new Set();
    this.listeners.set(organization, ofOrganization.add(listener));
    this.streams.add(stream);
    stream.onClose(() => {
      this.streams.delete(stream);
      ofOrganization.delete(listener);
      if (ofOrganization.size === 0 && this.listeners.get(organization) === ofOrganization) this.listeners.delete(organization);
    });
  }
}
