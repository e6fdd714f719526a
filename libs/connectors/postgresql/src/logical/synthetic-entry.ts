import { TocEntry, type Toc } from './archive-toc.js';

const POST_DATA = 4;
const PRE_DATA = 2;
const NO_DATA = 3;

/**
 * An entry of our own in an archive: pg_restore runs its SQL at its place, in the same transaction as the rest. So moving a
 * table aside and bringing its former self back is one step for everybody else.
 */
export function syntheticEntry(toc: Toc, dumpId: number, tag: string, sql: string, section: 'before data' | 'after data'): TocEntry {
  const definition = Buffer.from(sql);
  const minor = toc.prelude[6] ?? 0;
  const offsetSize = toc.prelude[9] ?? 8;
  const raw = Buffer.concat([
    int(dumpId),
    int(0),
    text('0'),
    text('0'),
    text(tag),
    text('RAHAT'),
    int(section === 'before data' ? PRE_DATA : POST_DATA),
    int(definition.length),
    definition,
    text(''),
    absent(),
    absent(),
    absent(),
    absent(),
    ...(minor >= 16 ? [int(0)] : []),
    text(''),
    text('false'),
    absent(),
    Buffer.from([NO_DATA]),
    Buffer.alloc(offsetSize),
  ]);
  return new TocEntry(
    { dumpId, hasData: false, tag, description: 'RAHAT', namespace: '', owner: '', dependencies: [] },
    { bytes: raw },
    [0, raw.length],
    [0, 0],
    [0, 0],
  );
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt8(value < 0 ? 1 : 0);
  bytes.writeUInt32LE(Math.abs(value), 1);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([int(bytes.length), bytes]);
}

function absent(): Buffer {
  return int(-1);
}
