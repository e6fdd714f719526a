import { createHmac, timingSafeEqual } from 'node:crypto';
import { release } from '../threads/jobs.js';

/** Where a chunk lies in its frame's plaintext. */
export interface ChunkPlace {
  offset: number;
  length: number;
}

/** Chunks of a frame whose ids are wanted, and the key that makes ids. */
export interface WantedIds {
  places: ChunkPlace[];
  idKey: Buffer;
}

const ID_BYTES = 32;

/** The plaintext of an authentic frame, and the ids that its chunks were found to have. */
export class OpenedFrame {
  private readonly idKey: Buffer | undefined;
  /** By the chunk's offset. */
  private readonly ids = new Map<number, { length: number; id: Buffer }>();

  constructor(
    readonly plaintext: Buffer,
    computed?: WantedIds & { ids: Buffer },
  ) {
    this.idKey = computed?.idKey;
    computed?.places.forEach(({ offset, length }, i) => {
      this.ids.set(offset, { length, id: computed.ids.subarray(i * ID_BYTES, (i + 1) * ID_BYTES) });
    });
  }

  bytesAt({ offset, length }: ChunkPlace): Buffer {
    return this.plaintext.subarray(offset, offset + length);
  }

  /** Whether the chunk there has this id. */
  holds(place: ChunkPlace, id: Buffer, idKey: Buffer): boolean {
    const known = idKey === this.idKey ? this.ids.get(place.offset) : undefined;
    const found = known?.length === place.length ? known.id : createHmac('sha256', idKey).update(this.bytesAt(place)).digest();
    return timingSafeEqual(found, id);
  }

  /** Gives the memory back at once; whoever still has a part of it finds it empty. */
  release(): void {
    release(this.plaintext);
  }
}
