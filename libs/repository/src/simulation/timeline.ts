/** Taken out once: in the contexts that Jest makes each look at a global takes long. */
const { nextTick } = process;

interface Event {
  atMs: number;
  order: number;
  action: () => void;
  calledOff: boolean;
}

/** Virtual time: what is planned happens in the order of its time, one after the other, as fast as the machine can. */
export class Timeline {
  nowMs = Date.UTC(2026, 0, 1);
  events = 0;
  private readonly heap: Event[] = [];
  private planned = 0;

  /** Gives what calls it off. */
  after(ms: number, action: () => void): () => void {
    const { heap } = this;
    const event: Event = { atMs: this.nowMs + (ms > 0 ? ms : 0), order: this.planned++, action, calledOff: false };
    let at = heap.push(event) - 1;
    for (let parent; at > 0 && isBefore(event, heap[(parent = (at - 1) >> 1)]!); at = parent) heap[at] = heap[parent]!;
    heap[at] = event;
    return () => (event.calledOff = true);
  }

  /** Until nothing is planned any more, or `ended` says so. Whatever an event sets in motion comes to rest before the next one. */
  async run(ended: () => boolean): Promise<void> {
    await rest();
    for (let event = this.next(); event; event = this.next()) {
      // Deadlines that were met cost nothing.
      if (event.calledOff) continue;
      this.nowMs = event.atMs;
      this.events++;
      event.action();
      await rest();
      if (ended()) return;
    }
  }

  private next(): Event | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let at = 0;
    for (let child; (child = at * 2 + 1) < heap.length; at = child) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
    }
    heap[at] = last;
    return first;
  }
}

/**
 * All promises that can go on have gone on: Node runs what was put off to the next tick only when no promise is left that could, and
 * small work of the engine uses no other thread.
 */
function rest(): Promise<void> {
  return new Promise((resolve) => nextTick(resolve));
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
