export interface Home {
  pack: number;
  frame: number;
  offset: number;
  length: number;
}

// A slot: the id's first 16 bytes in four words, then where the chunk lies. Length 0 marks an empty slot: no chunk is empty.
const SLOT_WORDS = 8;
const PACK = 4;
const LENGTH = 7;
const FULLEST = 0.7;

/**
 * Where chunks are: 32 bytes for each, in one flat table. Half an id is enough to find a chunk, because each one that is read is compared
 * with its whole id. A chunk may have several homes; where one turns out damaged, another may do.
 */
export class ChunkTable {
  #slots = new Uint32Array(1024 * SLOT_WORDS);
  size = 0;

  add(id: Buffer, { pack, frame, offset, length }: Home): void {
    if ((this.size + 1) * SLOT_WORDS > this.#slots.length * FULLEST) this.#grow();
    const words = [...idWords(id), pack, frame, offset, length];
    for (let at = this.#first(words[0] as number); ; at = this.#next(at)) {
      if (this.#slots[at + LENGTH] === 0) {
        this.#slots.set(words, at);
        this.size++;
        return;
      }
      if (words.every((word, index) => this.#slots[at + index] === word)) return;
    }
  }

  *homes(id: Buffer): Generator<Home> {
    const words = idWords(id);
    for (let at = this.#first(words[0] as number); this.#slots[at + LENGTH] !== 0; at = this.#next(at)) {
      if (!words.every((word, index) => this.#slots[at + index] === word)) continue;
      const [pack = 0, frame = 0, offset = 0, length = 0] = this.#slots.subarray(at + PACK, at + SLOT_WORDS);
      yield { pack, frame, offset, length };
    }
  }

  #first(word: number): number {
    return (word % (this.#slots.length / SLOT_WORDS)) * SLOT_WORDS;
  }

  #next(at: number): number {
    return at + SLOT_WORDS === this.#slots.length ? 0 : at + SLOT_WORDS;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let from = 0; from < old.length; from += SLOT_WORDS) {
      if (old[from + LENGTH] === 0) continue;
      let at = this.#first(old[from] as number);
      while (this.#slots[at + LENGTH] !== 0) at = this.#next(at);
      this.#slots.set(old.subarray(from, from + SLOT_WORDS), at);
    }
  }
}

function idWords(id: Buffer): [number, number, number, number] {
  return [id.readUInt32LE(0), id.readUInt32LE(4), id.readUInt32LE(8), id.readUInt32LE(12)];
}
