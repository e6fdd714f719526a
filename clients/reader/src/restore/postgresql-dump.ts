import { Fields } from '../format/json-fields.js';
import type { Manifest, StoredObject } from '../format/manifest.js';
import type { ObjectReader } from '../object-reader.js';
import { damaged } from '../reader-error.js';
import { createDatabaseSql } from './create-database-sql.js';
import type { TargetFolder } from './target-folder.js';

const DATA_BLOCK = 1;
const LARGE_OBJECTS_BLOCK = 3;

export function isPostgresqlDump({ objects }: Manifest): boolean {
  return objects.some(({ key, kind }) => key === 'toc' && kind === 'header');
}

/** Writes `database.dump`, which any pg_restore of that major or newer takes, and what pg_dump leaves out. */
export async function restorePostgresqlDump(reader: ObjectReader, manifest: Manifest, target: TargetFolder): Promise<string> {
  await target.write(target.place('database.dump'), archive(reader, manifest));
  const facts = Fields.parse((await reader.readWhole(objectOf(manifest, 'database.json'))).toString('utf8'));
  await target.write(target.place('create-database.sql'), [createDatabaseSql(facts)]);
  const globals = manifest.objects.find(({ key }) => key === 'globals.sql');
  if (globals) await target.write(target.place('globals.sql'), reader.read(globals));
  const roles = 'psql -d postgres -f globals.sql               # roles and tablespaces; those that exist already only give an error\n';
  return `${globals ? roles : ''}psql -d postgres -v ON_ERROR_STOP=1 -f create-database.sql -v name=NEW_NAME
pg_restore -d NEW_NAME --exit-on-error database.dump   # with pg_dump's major or a newer one`;
}

export function objectOf({ objects, snapshot }: Manifest, key: string): StoredObject {
  const object = objects.find((candidate) => candidate.key === key);
  if (!object) throw damaged(`snapshots/${snapshot}`, `it has no object "${key}"`);
  return object;
}

/** The custom archive of pg_dump: the table of contents as it was, then a block for each entry with data. */
async function* archive(reader: ObjectReader, manifest: Manifest): AsyncGenerator<Uint8Array> {
  yield* reader.read(objectOf(manifest, 'toc'));
  const blocks = new Map<number, StoredObject[]>();
  for (const object of manifest.objects) {
    const { dumpId } = object.meta;
    if ((object.kind !== 'rows' && object.kind !== 'blob') || typeof dumpId !== 'number') continue;
    blocks.set(dumpId, [...(blocks.get(dumpId) ?? []), object]);
  }
  for (const [dumpId, objects] of blocks) {
    const largeObjects = objects[0]?.kind === 'blob';
    yield Buffer.concat([Buffer.from([largeObjects ? LARGE_OBJECTS_BLOCK : DATA_BLOCK]), int(dumpId)]);
    for (const object of objects) {
      if (!largeObjects) yield* framed(reader.read(object));
      else if (typeof object.meta['oid'] !== 'number') yield* largeObjectGroup(reader.read(object));
      else {
        yield int(object.meta['oid']);
        yield* framed(reader.read(object));
      }
    }
    if (largeObjects) yield int(0);
  }
}

async function* framed(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of content) yield Buffer.concat([int(piece.length), piece]);
  yield int(0);
}

/** Records of oid u32, then pieces with their length u32 before them, then length 0. */
async function* largeObjectGroup(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  let inObject = false;
  for await (const piece of content) {
    held = Buffer.concat([held, piece]);
    while (held.length >= 4) {
      const number = held.readUInt32LE(0);
      const end = inObject ? 4 + number : 4;
      if (held.length < end) break;
      yield Buffer.concat([int(number), held.subarray(4, end)]);
      inObject = !inObject || number > 0;
      held = held.subarray(end);
    }
  }
  if (held.length > 0 || inObject) throw new Error('A group of large objects ends too early');
}

/** pg_dump writes a number as a byte for its sign and four little-endian ones. */
function int(value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32LE(value, 1);
  return bytes;
}
