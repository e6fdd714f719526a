import { createHash } from 'node:crypto';
import type { Artifact, ArtifactPart, ByteSpan, ComparableSource } from '@rahat/connector-kit';
import { ArtifactsInMemory } from '../physical/test-parts.js';

const LEAST_BYTES = 64;
const PIECE_BYTES = 1000;

/** A backup in memory that is cut by its content, as a repository does it, only much finer. Counts what is read of it. */
export class ComparableArtifacts extends ArtifactsInMemory implements ComparableSource {
  readonly partsOf: string = 'memory';
  spanBytes = 0;

  async *parts({ key }: Artifact): AsyncGenerator<ArtifactPart> {
    const bytes = this.bytes.get(key)!;
    for (let from = 0; from < bytes.length;) {
      let to = Math.min(from + LEAST_BYTES, bytes.length);
      while (to < bytes.length && ((bytes[to - 1]! * 31 + bytes[to - 2]! * 7 + bytes[to - 3]!) & 0xff) !== 0) to++;
      yield { id: createHash('sha1').update(bytes.subarray(from, to)).digest('hex'), length: to - from };
      from = to;
    }
  }

  async *readSpans({ key }: Artifact, spans: readonly ByteSpan[]): AsyncGenerator<{ offset: number; bytes: Buffer }> {
    const bytes = this.bytes.get(key)!;
    for (const { offset, length } of spans) {
      for (let at = offset; at < offset + length; at += PIECE_BYTES) {
        const piece = Buffer.from(bytes.subarray(at, Math.min(at + PIECE_BYTES, offset + length)));
        this.spanBytes += piece.length;
        yield { offset: at, bytes: piece };
        piece.fill(0);
      }
    }
  }
}
