import { SECTION, TocEntry, type Toc } from './archive-toc.js';

const NO_DATA = 3;

/**
 * An entry of our own in an archive: pg_restore runs its SQL at its place, in the same transaction as the rest. So moving a
 * table aside and bringing its former self back is one step for everybody else.
 */
export function syntheticEntry(toc: Toc, dumpId: number, tag: string, sql: string, section: 'before data' | 'after data'): TocEntry {
  const definition = Buffer.from(sql);
  const place = section === 'before data' ? SECTION.preData : SECTION.postData;
  const minor = toc.prelude[6] ?? 0;
  const offsetSize = toc.prelude[9] ?? 8;
  const raw = Buffer.concat([
    int(dumpId),
    int(0),
    text('0'),
    text('0'),
    text(tag),
    text('RAHAT'),
    int(place),
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
    { dumpId, oid: 0, section: place, hasData: false, tag, description: 'RAHAT', namespace: '', owner: '', dependencies: [] },
    { bytes: raw },
    { entry: [0, raw.length], definition: [0, 0], drop: [0, 0], copy: [0, 0] },
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
