import { ChunkTable, type Home } from './chunk-table.js';
import { parseIndexSegment } from './format/index-segment.js';
import { type FramePlace, type PackKind, packName, readFooter } from './format/pack.js';
import type { PackTable } from './format/pack-table.js';
import { openSealed, SEALED } from './format/sealed-file.js';
import { type Problem, problemOf } from './reader-error.js';
import type { Repository } from './repository.js';

const SEGMENT_PATTERN = /^[0-9a-f]{32}$/;
const FRAME_WORDS = 3;

export interface KnownPack {
  name: string;
  sizeBytes: number;
  kind: PackKind;
  /** Offset, stored and plain length of each frame. */
  frames: Uint32Array;
}

/** Where each chunk is: from the index segments, and where these don't know from the footers of the packs. */
export class ChunkIndex {
  readonly packs: KnownPack[] = [];
  readonly problems: Problem[] = [];
  readonly table = new ChunkTable();
  readonly #numbers = new Map<string, number>();
  #footersRead = false;

  private constructor(private readonly repository: Repository) {}

  static async load(repository: Repository): Promise<ChunkIndex> {
    const index = new ChunkIndex(repository);
    for (const { name } of await repository.folder.list('index/', SEGMENT_PATTERN)) {
      try {
        const payload = openSealed(await repository.folder.read(name), SEALED.index, name, repository.packKeys.metadata);
        for (const { sha256, sizeBytes, kind, table } of parseIndexSegment(payload).packs)
          index.#add(packName(sha256), sizeBytes, kind, table);
      } catch (error) {
        index.problems.push(problemOf(name, error));
      }
    }
    return index;
  }

  /** Adds what the packs say for themselves; a pack whose footer is damaged is told in `problems`. Only the first call reads. */
  async readFooters(): Promise<void> {
    if (this.#footersRead) return;
    this.#footersRead = true;
    for (const { name } of await this.repository.packFiles()) {
      try {
        const { kind, sizeBytes, table } = await readFooter(this.repository.folder, name, this.repository.packKeys);
        this.#add(name, sizeBytes, kind, table);
      } catch (error) {
        this.problems.push(problemOf(name, error));
      }
    }
  }

  /** Every place that is known to hold the chunk. */
  homes(id: Buffer): Iterable<Home> {
    return this.table.homes(id);
  }

  pack(number: number): KnownPack {
    return this.packs[number] as KnownPack;
  }

  framePlace(pack: number, frame: number): FramePlace {
    const [offset = 0, storedBytes = 0, plainBytes = 0] = this.pack(pack).frames.subarray(frame * FRAME_WORDS, (frame + 1) * FRAME_WORDS);
    return { frame, offset, storedBytes, plainBytes };
  }

  // A segment and a footer that contradict each other give two packs of one name: whichever holds the chunk is found by its id.
  #add(name: string, sizeBytes: number, kind: PackKind, table: PackTable): void {
    const frames = new Uint32Array(table.frameCount * FRAME_WORDS);
    for (let frame = 0; frame < table.frameCount; frame++) {
      const { offset, storedBytes, plainBytes } = table.frame(frame);
      frames.set([offset, storedBytes, plainBytes], frame * FRAME_WORDS);
    }
    const known = this.#numbers.get(name);
    const same = known !== undefined && Buffer.from(frames.buffer).equals(Buffer.from(this.pack(known).frames.buffer));
    const pack = same ? known : this.packs.push({ name, sizeBytes, kind, frames }) - 1;
    this.#numbers.set(name, pack);
    for (let chunk = 0; chunk < table.chunkCount; chunk++) this.table.add(table.chunkId(chunk), { pack, ...table.chunk(chunk) });
  }
}
