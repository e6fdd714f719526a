import type { StoredObject } from '../format/manifest.js';
import { ObjectReader } from '../object-reader.js';
import { tell } from '../output.js';
import { ReaderError } from '../reader-error.js';
import type { Repository } from '../repository.js';
import { TargetFolder } from './target-folder.js';

/** A run of the log, as far as an object holds it; positions are exact up to eight petabytes. */
interface Piece {
  object: StoredObject;
  timeline: number;
  start: number;
  end: number;
}

type Order = Record<'to' | 'from' | 'until', string>;

/** The log of a stream as the files that restore_command is asked for: segments, zero-padded, and histories. False where something is missing. */
export async function restoreSegments(repository: Repository, stream: string, order: Order): Promise<boolean> {
  const files = (await repository.manifestFiles()).filter(({ name }) => name.startsWith(`logs/${stream}/`));
  if (files.length === 0) throw new ReaderError('notFound', `There is no log of a stream ${stream}`);
  const objects: StoredObject[] = [];
  for (const file of files) objects.push(...(await repository.manifest(file)).objects);
  const [from, until] = [positionOf(order.from || '0/0'), positionOf(order.until || 'FFFFFFFF/FFFFFFFF')];
  const pieces = objects.filter(({ key }) => key.startsWith('wal/')).map((object) => pieceOf(object));
  const wanted = pieces.filter(({ start, end }) => end > from && start < until).sort((one, other) => one.start - other.start);
  const target = await TargetFolder.prepare(order.to);
  const reader = await ObjectReader.open(repository);
  const histories = new Map(objects.filter(({ key }) => key.startsWith('history/')).map((object) => [object.key, object]));
  for (const object of histories.values())
    await target.write(target.place(`${hex8(Number(object.meta['timeline']))}.history`), reader.read(object));
  const size = await segmentBytes(reader, pieces);
  let [written, gaps] = [0, 0];
  for (const timeline of new Set(wanted.map((piece) => piece.timeline))) {
    const own = wanted.filter((piece) => piece.timeline === timeline);
    let end = own[0]!.start;
    for (const piece of own) {
      if (piece.start > end)
        tell(`MISSING in timeline ${timeline}: ${piece.start - end} bytes before ${String(piece.object.meta['start'])} (${++gaps})`);
      end = Math.max(end, piece.end);
    }
    for (let number = Math.floor(own[0]!.start / size); number * size < end; number++) {
      const within = own.filter((piece) => piece.end > number * size && piece.start < (number + 1) * size);
      const [high, low] = [Math.floor((number * size) / 2 ** 32), number % (2 ** 32 / size)];
      if (within.length === 0) continue;
      await target.write(target.place(`${hex8(timeline)}${hex8(high)}${hex8(low)}`), segment(reader, within, number * size, size));
      written++;
    }
  }
  await target.finish();
  tell(`Wrote ${written} segments of ${stream} to ${target.path}`);
  return gaps === 0;
}

/** Pieces may overlap; where there is none, and behind the last one, stand zeros. */
async function* segment(reader: ObjectReader, pieces: Piece[], start: number, size: number): AsyncGenerator<Buffer> {
  let at = start;
  for (const piece of pieces) {
    if (piece.start > at) yield Buffer.alloc(piece.start - at);
    at = Math.max(at, piece.start);
    let position = piece.start;
    for await (const reference of reader.chunks(piece.object)) {
      const end = Math.min(position + reference.length, start + size);
      if (end > at) yield (await reader.chunk(reference, 'data')).subarray(at - position, end - position);
      at = Math.max(at, end);
      position += reference.length;
    }
  }
  yield Buffer.alloc(start + size - at);
}

/** A server's own number stands in the long header of each segment's first page (bit 1 of the second word tells it); else the usual one. */
async function segmentBytes(reader: ObjectReader, pieces: Piece[]): Promise<number> {
  for (const { object } of pieces.filter(({ start }) => start % 2 ** 20 === 0)) {
    const { value: page } = await reader.read(object).next();
    const size = page && page.length >= 40 && page[2]! & 2 ? page.readUInt32LE(32) : 0;
    if (size >= 2 ** 20 && Number.isInteger(Math.log2(size))) return size;
  }
  return 2 ** 24;
}

function pieceOf(object: StoredObject): Piece {
  const { timeline, start, end } = object.meta;
  return { object, timeline: Number(timeline), start: positionOf(start), end: positionOf(end) };
}

/** Such as 16/B374D848. */
function positionOf(text: unknown): number {
  const [high = '', low = ''] = String(text).split('/');
  const position = Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
  if (Number.isNaN(position)) throw new ReaderError('usage', `"${String(text)}" is no position of a log`);
  return position;
}

function hex8(number: number): string {
  return number.toString(16).toUpperCase().padStart(8, '0');
}
