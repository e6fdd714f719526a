import type { Artifact, ByteSpan, ComparableSource } from '@rahat/connector-kit';
import { sharedRuns, type SharedRun } from './shared-runs.js';

/** pg_dump's end mark and its two empty lines. */
export const END_MARK = Buffer.from('\\.\n\n\n');
const NEWLINE = 0x0a;
const FIRST_LOOK_BYTES = 16 * 1024;
const LOOK_FURTHER = 8;

export interface StoredRows {
  source: ComparableSource;
  artifact: Artifact;
}

/** The rows' bytes that are to be read of each; what lies between is whole rows, and the same on both sides. */
export interface UnsharedSpans {
  older: ByteSpan[];
  newer: ByteSpan[];
}

/** Rows are compared as a set, so those that both hold need not be read, wherever they stand. */
export async function unsharedSpans(older: StoredRows, newer: StoredRows): Promise<UnsharedSpans> {
  const ends = { older: rowsEnd(older.artifact), newer: rowsEnd(newer.artifact) };
  if (older.source.partsOf !== newer.source.partsOf) return { older: [whole(ends.older)], newer: [whole(ends.newer)] };
  const runs = await sharedRuns(older.source.parts(older.artifact), newer.source.parts(newer.artifact));
  const inside = runs.map((run) => ({ ...run, length: Math.min(run.length, ends.older - run.older, ends.newer - run.newer) }));
  const trimmed = await trimToRows(older, inside);
  return {
    older: complement(
      trimmed.map(({ older: offset, length }) => ({ offset, length })),
      ends.older,
    ),
    newer: complement(
      trimmed.map(({ newer: offset, length }) => ({ offset, length })),
      ends.newer,
    ),
  };
}

/** Where the end mark begins; negative in an artifact that is too short to have one. */
export function rowsEnd(artifact: Artifact): number {
  return artifact.sizeBytes - END_MARK.length;
}

function whole(end: number): ByteSpan {
  return { offset: 0, length: Math.max(end, 0) };
}

interface Edge {
  run: SharedRun;
  side: 'start' | 'end';
  looked: number;
}

/**
 * Runs begin and end anywhere in a row: each is cut to the whole rows in it. Both artifacts hold the same bytes there, so one is
 * read. A run in which a row goes on for long is looked into further, and given up when nothing would remain.
 */
async function trimToRows(older: StoredRows, runs: SharedRun[]): Promise<SharedRun[]> {
  const cuts = new Map(runs.map((run) => [run, { start: run.older === 0 && run.newer === 0 ? 0 : -1, end: -1 }]));
  let open: Edge[] = runs.flatMap((run) =>
    (['start', 'end'] as const).filter((side) => cuts.get(run)![side] < 0).map((side) => ({ run, side, looked: FIRST_LOOK_BYTES })),
  );
  while (open.length > 0) {
    const unresolved: Edge[] = [];
    const looks = open.filter(({ run, looked }) => looked * 2 < run.length).map((edge) => ({ edge, span: lookedAt(edge) }));
    const bytes = new SpanBytes(
      older,
      looks.map(({ span }) => span).toSorted((a, b) => a.offset - b.offset),
    );
    for (const { edge, span } of looks.toSorted((a, b) => a.span.offset - b.span.offset)) {
      const content = await bytes.take(span);
      const found = edge.side === 'start' ? content.indexOf(NEWLINE) : content.lastIndexOf(NEWLINE);
      if (found < 0) unresolved.push({ ...edge, looked: edge.looked * LOOK_FURTHER });
      else cuts.get(edge.run)![edge.side] = span.offset - edge.run.older + found + 1;
    }
    open = unresolved;
  }
  return runs.flatMap((run) => {
    const { start, end } = cuts.get(run)!;
    return start < 0 || end <= start ? [] : [{ older: run.older + start, newer: run.newer + start, length: end - start }];
  });
}

function lookedAt({ run, side, looked }: Edge): ByteSpan {
  return { offset: side === 'start' ? run.older : run.older + run.length - looked, length: looked };
}

/** Gathers the pieces of spans that are asked for in their order. */
class SpanBytes {
  readonly #pieces: AsyncIterator<{ offset: number; bytes: Buffer }>;

  constructor({ source, artifact }: StoredRows, spans: readonly ByteSpan[]) {
    this.#pieces = source.readSpans(artifact, spans)[Symbol.asyncIterator]();
  }

  async take({ length }: ByteSpan): Promise<Buffer> {
    const content = Buffer.allocUnsafe(length);
    for (let taken = 0; taken < length;) {
      const next = await this.#pieces.next();
      if (next.done) return content.subarray(0, taken);
      taken += next.value.bytes.copy(content, taken);
    }
    return content;
  }
}

/** What is left of `[0, end)`. */
function complement(spans: ByteSpan[], end: number): ByteSpan[] {
  const left: ByteSpan[] = [];
  let from = 0;
  for (const { offset, length } of spans.toSorted((a, b) => a.offset - b.offset)) {
    if (offset > from) left.push({ offset: from, length: offset - from });
    from = offset + length;
  }
  if (end > from) left.push({ offset: from, length: end - from });
  return left;
}
