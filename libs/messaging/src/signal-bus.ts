export type SignalListener = (topic: string, payload: Record<string, unknown>) => void;

/** Tells every process that listens now; nothing is stored. */
export interface SignalBus {
  publish(topic: string, payload: Record<string, unknown>): Promise<void>;
  /** Resolves when this process hears; later calls replace nothing, all listeners hear. */
  listen(listener: SignalListener): Promise<void>;
  close(): Promise<void>;
}

export function encodeSignal(topic: string, payload: Record<string, unknown>): string {
  return JSON.stringify({ topic, payload });
}

/** Ignores what isn't ours: a channel is open to whoever may connect. */
export function deliverSignal(text: string, listeners: Iterable<SignalListener>): void {
  let signal: { topic?: unknown; payload?: unknown };
  try {
    signal = JSON.parse(text) as typeof signal;
  } catch {
    return;
  }
  if (typeof signal?.topic !== 'string' || typeof signal.payload !== 'object' || signal.payload === null) return;
  for (const listener of listeners) listener(signal.topic, signal.payload as Record<string, unknown>);
}
