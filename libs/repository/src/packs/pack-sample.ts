import { createHmac, createSecretKey } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import { openFrame } from '../frames/frame-codec.js';
import { chunkIdAt, type PackTable } from './pack-table.js';

export interface SampledPack {
  repositoryId: Buffer;
  key: Buffer;
  file: Buffer;
  table: PackTable;
  /** Makes the ids of this kind's chunks. */
  chunkIdKey: Buffer;
}

/**
 * Opens one frame of a pack that is about to be stored and compares its chunks with their ids: bad memory is found before it
 * becomes a backup that verifies as wrong a year later.
 */
export async function assertSampleReadable(
  { repositoryId, key, file, table, chunkIdKey }: SampledPack,
  frameNumber: number,
): Promise<void> {
  const start = table.frameOffsets[frameNumber]!;
  const sealed = file.subarray(start, start + table.storedLengths[frameNumber]!);
  const plaintext = await openFrame(key, sealed, {
    repositoryId,
    pack: 'in memory',
    frameNumber,
    plainLength: table.plainLengths[frameNumber]!,
  });
  const idKey = createSecretKey(chunkIdKey);
  for (let chunk = table.chunkFrames.indexOf(frameNumber); table.chunkFrames[chunk] === frameNumber; chunk++) {
    const offset = table.chunkOffsets[chunk]!;
    const id = createHmac('sha256', idKey)
      .update(plaintext.subarray(offset, offset + table.chunkLengths[chunk]!))
      .digest();
    if (!id.equals(chunkIdAt(table, chunk))) {
      throw new RahatError('internal', 'A pack does not hold what was put into it, before it was stored.', {
        hint: 'The memory of this machine may be faulty; nothing wrong was stored.',
      });
    }
  }
}
