import { packKindOf } from './pack.js';
import { PackTable } from './pack-table.js';

/** Payload of `index/<id>`. Throws where it is cut off, has bytes too many, or says impossible things. */
export function parseIndexSegment(payload: Buffer) {
  let at = 0;
  const take = (length: number): Buffer => {
    if (at + length > payload.length) throw new Error('it is cut off');
    at += length;
    return payload.subarray(at - length, at);
  };
  const number = () => take(4).readUInt32LE();
  const version = number();
  if (version !== 1) throw new Error(`its version ${version} is not known`);
  const writer = take(number()).toString('utf8');
  const replaces = Array.from({ length: counted(number(), 16) }, () => take(16).toString('hex'));
  const packs = Array.from({ length: counted(number(), 32 + 4 + 1 + 4) }, () => {
    const sha256 = take(32).toString('hex');
    const sizeBytes = number();
    const kind = packKindOf(take(1)[0]);
    return { sha256, sizeBytes, kind, table: new PackTable(take(number()), sizeBytes) };
  });
  if (at !== payload.length) throw new Error('it has bytes behind its end');
  return { writer, replaces, packs };

  // A count is believed only if that many entries could follow.
  function counted(count: number, leastBytes: number): number {
    if (count * leastBytes > payload.length - at) throw new Error('it is cut off');
    return count;
  }
}
