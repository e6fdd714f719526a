import { RahatError } from '@rahat/contracts';
import type { WritableFile } from '../repository.js';

/** Writes all pieces, one behind the other; gives their length. A file may take less than it is given at once. */
export async function writeFully(file: WritableFile, pieces: Buffer[], position: number): Promise<number> {
  let left = pieces.filter(({ length }) => length > 0);
  let written = 0;
  while (left.length > 0) {
    const { bytesWritten } = await file.writev(left, position + written);
    if (bytesWritten === 0) throw new RahatError('internal', 'A file takes no bytes, and says nothing of an error.');
    written += bytesWritten;
    left = behind(left, bytesWritten);
  }
  return written;
}

function behind(pieces: Buffer[], length: number): Buffer[] {
  const first = pieces.findIndex((piece) => {
    if (length < piece.length) return true;
    length -= piece.length;
    return false;
  });
  return first < 0 ? [] : [pieces[first]!.subarray(length), ...pieces.slice(first + 1)];
}
