import type { ArtifactPart } from '@rahat/connector-kit';

/** Bytes that both artifacts hold: at these places, of this length. */
export interface SharedRun {
  older: number;
  newer: number;
  length: number;
}

/** Both ends of a run are read to find where rows begin and end there; a short one would save nothing. */
const LEAST_PARTS = 4;
/** How far a part may have moved, in parts; beyond it is read. */
const MOST_WAITING = 65_536;
/** Bounds the memory of the plan; what comes behind is read. */
const MOST_RUNS = 100_000;

interface PlacedPart extends ArtifactPart {
  offset: number;
}

/**
 * Finds runs of equal parts in two lists of parts, going through both once. A part of one list is in one run at most. What it
 * misses is read, which costs time and nothing else.
 */
export async function sharedRuns(older: AsyncIterable<ArtifactPart>, newer: AsyncIterable<ArtifactPart>): Promise<SharedRun[]> {
  const runs = new RunList();
  const waiting = { older: new Map<string, PlacedPart>(), newer: new Map<string, PlacedPart>() };
  const [left, right] = [new PartCursor(older), new PartCursor(newer)];
  let [a, b] = [await left.next(), await right.next()];
  while ((a ?? b) && !runs.full) {
    const movedB = a && waiting.newer.get(a.id);
    const movedA = b && waiting.older.get(b.id);
    if (a && b && a.id === b.id) {
      runs.add(a, b);
      [a, b] = [await left.next(), await right.next()];
    } else if (a && movedB) {
      waiting.newer.delete(a.id);
      runs.add(a, movedB);
      a = await left.next();
    } else if (b && movedA) {
      waiting.older.delete(b.id);
      runs.add(movedA, b);
      b = await right.next();
    } else {
      keepWaiting(waiting.older, a);
      keepWaiting(waiting.newer, b);
      [a, b] = [await left.next(), await right.next()];
    }
  }
  return runs.finish();
}

function keepWaiting(waiting: Map<string, PlacedPart>, part: PlacedPart | undefined): void {
  if (!part || waiting.has(part.id)) return;
  waiting.set(part.id, part);
  if (waiting.size <= MOST_WAITING) return;
  for (const oldest of waiting.keys()) {
    waiting.delete(oldest);
    return;
  }
}

class PartCursor {
  #offset = 0;
  readonly #parts: AsyncIterator<ArtifactPart>;

  constructor(parts: AsyncIterable<ArtifactPart>) {
    this.#parts = parts[Symbol.asyncIterator]();
  }

  async next(): Promise<PlacedPart | undefined> {
    const next = await this.#parts.next();
    if (next.done) return undefined;
    const part = { ...next.value, offset: this.#offset };
    this.#offset += part.length;
    return part;
  }
}

class RunList {
  readonly #runs: SharedRun[] = [];
  #last: (SharedRun & { parts: number }) | undefined;

  get full(): boolean {
    return this.#runs.length >= MOST_RUNS;
  }

  add(older: PlacedPart, newer: PlacedPart): void {
    const last = this.#last;
    if (last && last.older + last.length === older.offset && last.newer + last.length === newer.offset) {
      last.length += older.length;
      last.parts++;
      return;
    }
    this.#close();
    this.#last = { older: older.offset, newer: newer.offset, length: older.length, parts: 1 };
  }

  finish(): SharedRun[] {
    this.#close();
    return this.#runs;
  }

  #close(): void {
    if (this.#last && this.#last.parts >= LEAST_PARTS) {
      const { older, newer, length } = this.#last;
      this.#runs.push({ older, newer, length });
    }
    this.#last = undefined;
  }
}
