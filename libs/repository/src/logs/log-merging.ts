import { isDeepStrictEqual } from 'node:util';
import type { StoredObject } from '../snapshots/manifest.js';
import type { LogManifest, LogPlace } from './log-manifest.js';

/** So many pieces are worth a merge. */
export const PIECES_TO_MERGE = 4;
/** About a megabyte of manifest. */
const MOST_OBJECTS = 4096;

/**
 * Whether the next piece continues the last one, so that one manifest can stand for both: where the one ends on its timeline the other
 * begins, the same writer answers for them, and they are of one day, so that retention needn't keep much more than it wants to.
 */
export function continues(pieces: LogManifest[], next: LogManifest): boolean {
  const last = pieces.at(-1)!;
  const day = ({ createdAt }: LogManifest): string => createdAt.slice(0, 'yyyy-mm-dd'.length);
  const origin = ({ writer, organization, engine, server: { id, identity }, range: { timeline } }: LogManifest): unknown[] => [
    writer,
    organization,
    engine,
    id,
    identity,
    timeline,
  ];
  const isAdjacent = last.last === next.first && last.range.end === next.range.start;
  if (!isAdjacent || day(last) !== day(next) || !isDeepStrictEqual(origin(last), origin(next))) return false;
  const objects = [...pieces, next].flatMap((piece) => piece.objects);
  return objects.length <= MOST_OBJECTS && distinct(objects) !== undefined;
}

/** One manifest for all pieces, of which each continues the one before it. */
export function mergeLogs(pieces: LogManifest[]): LogManifest {
  const [first, last] = [pieces[0]!, pieces.at(-1)!];
  const sum = (of: (piece: LogManifest) => number): number => pieces.reduce((total, piece) => total + of(piece), 0);
  const objects = distinct(pieces.flatMap((piece) => piece.objects)) ?? [];
  const firstCommitAt = pieces.find(({ range }) => range.firstCommitAt)?.range.firstCommitAt;
  const lastCommitAt = pieces.findLast(({ range }) => range.lastCommitAt)?.range.lastCommitAt;
  const consistentAt = pieces.findLast((piece) => piece.consistentAt)?.consistentAt;
  const { timeline } = first.range;
  const range = { timeline, start: first.range.start, end: last.range.end };
  return {
    ...last,
    first: first.first,
    range: { ...range, ...(firstCommitAt && { firstCommitAt }), ...(lastCommitAt && { lastCommitAt }) },
    ...(consistentAt && { consistentAt }),
    findings: pieces.flatMap(({ findings }) => findings),
    objects,
    sizeBytes: objects.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
    addedBytes: sum(({ addedBytes }) => addedBytes),
    commits: sum(({ commits }) => commits ?? 1),
  };
}

/** Whether nothing is lost of the piece when only the other one stays. */
export function contains(whole: LogManifest, piece: LogManifest): boolean {
  if (whole.range.timeline !== piece.range.timeline || piece.objects.length === 0) return false;
  const held = new Map(whole.objects.map((object) => [object.key, object]));
  return piece.objects.every((object) => isSame(held.get(object.key), object));
}

/** Pairs of a log and one whose positions reach at least as far at both ends; told by the names alone, in the order of the first. */
export function coveredLogs(places: LogPlace[]): { piece: LogPlace; whole: LogPlace }[] {
  const widestFirst = places.toSorted((a, b) => compare(a.first, b.first) || compare(b.last, a.last));
  const covered: { piece: LogPlace; whole: LogPlace }[] = [];
  let whole: LogPlace | undefined;
  for (const piece of widestFirst) {
    if (whole && piece.last <= whole.last) covered.push({ piece, whole });
    else whole = piece;
  }
  return covered;
}

/** Each key once; undefined where one stands for two contents. */
function distinct(objects: StoredObject[]): StoredObject[] | undefined {
  const byKey = new Map<string, StoredObject>();
  for (const object of objects) {
    const known = byKey.get(object.key);
    if (known && !isSame(known, object)) return undefined;
    byKey.set(object.key, known ?? object);
  }
  return [...byKey.values()];
}

function isSame(a: StoredObject | undefined, b: StoredObject): boolean {
  return a !== undefined && a.sha256 === b.sha256 && a.sizeBytes === b.sizeBytes && isDeepStrictEqual(a.meta, b.meta);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
