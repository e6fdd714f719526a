import { tmpdir } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { noise } from '../testing/builders.js';
import type { PackTable } from '../packs/pack-table.js';
import { BLOCK_BYTES } from './chunk-rows.js';
import { ChunkTable, PENDING_PACK, type ChunkHome, type PackStanding } from './chunk-table.js';
import { openSpillFile } from './sealed-blocks.js';

const IDS = 4096;
const STREAM = noise(IDS * 32, 7);
/** Every fourth id begins like its neighbour and differs in its last bytes alone: hints must never be taken for ids. */
const idOf = (n: number): Buffer => {
  const id = Buffer.from(STREAM.subarray(n * 32, n * 32 + 32));
  if (n % 4 === 3) {
    STREAM.copy(id, 0, (n - 1) * 32, n * 32);
    id[31]! ^= 1;
  }
  return id;
};
const ALL_IDS = Array.from({ length: IDS }, (_, n) => idOf(n));
const homeIn = (pack: number, n: number): ChunkHome => ({ pack, frame: n, offset: pack * IDS + n, length: n + 1 });

function tableOf(pack: number, ids: number[]): PackTable {
  const homes = ids.map((n) => homeIn(pack, n));
  const column = (name: 'frame' | 'offset' | 'length'): Uint32Array => Uint32Array.from(homes, (home) => home[name]);
  return {
    frameOffsets: new Uint32Array(),
    storedLengths: new Uint32Array(),
    plainLengths: new Uint32Array(),
    chunkIds: Buffer.concat(ids.map((n) => ALL_IDS[n]!)),
    chunkFrames: column('frame'),
    chunkOffsets: column('offset'),
    chunkLengths: column('length'),
  };
}

/** All homes of each chunk in the order in which they came. */
class Model {
  private readonly homes = new Map<number, ChunkHome[]>();
  private readonly standings = new Map<number, PackStanding>();

  addPack(pack: number, ids: number[]): void {
    for (const n of ids) {
      const current = this.get(n);
      const homes = this.homes.get(n) ?? [];
      if (current?.pack === PENDING_PACK) homes[homes.indexOf(current)] = homeIn(pack, n);
      else this.homes.set(n, [...homes, homeIn(pack, n)]);
    }
  }

  set(n: number, home: ChunkHome): void {
    const current = this.get(n);
    const homes = this.homes.get(n) ?? [];
    if (current) homes[homes.indexOf(current)] = home;
    else this.homes.set(n, [...homes, home]);
  }

  setStanding(pack: number, standing: PackStanding): void {
    this.standings.set(pack, standing);
  }

  get(n: number): ChunkHome | undefined {
    const homes = this.homes.get(n) ?? [];
    const standing = (home: ChunkHome): PackStanding => this.standings.get(home.pack) ?? 'usable';
    return homes.find((home) => standing(home) === 'usable') ?? homes.find((home) => standing(home) === 'avoided');
  }

  get size(): number {
    return this.homes.size;
  }
}

type Step =
  | { do: 'pack'; ids: number[] }
  | { do: 'pending'; ids: number[] }
  | { do: 'settle'; ids: number[] }
  | { do: 'standing'; pack: number; standing: PackStanding };

/** Distinct, because the stride is odd and their number a power of two. */
const ids = fc
  .record({ from: fc.nat(IDS - 1), count: fc.integer({ min: 1, max: 1500 }), stride: fc.nat(IDS / 2) })
  .map(({ from, count, stride }) => Array.from({ length: count }, (_, i) => (from + i * (2 * stride + 1)) % IDS));
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('pack' as const), ids }),
  fc.record({ do: fc.constant('pending' as const), ids }),
  fc.record({ do: fc.constant('settle' as const), ids }),
  fc.record({
    do: fc.constant('standing' as const),
    pack: fc.nat(12),
    standing: fc.constantFrom<PackStanding>('usable', 'avoided', 'barred'),
  }),
);

describe('the table of chunks', () => {
  it('agrees with a plain map, whatever is added, overwritten or barred and whenever it spills', () => {
    let spilled = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14, size: 'max' }), fc.integer({ min: 3, max: 9 }), (steps, blocks) => {
        let spills = 0;
        const openSpill = () => (spills++, openSpillFile(tmpdir()));
        const table = new ChunkTable({ memoryBytes: blocks * BLOCK_BYTES, openSpill });
        const model = new Model();
        try {
          steps.forEach((taken, pack) => {
            if (taken.do === 'pack') {
              table.addPack(pack, tableOf(pack, taken.ids));
              model.addPack(pack, taken.ids);
            } else if (taken.do === 'standing') {
              table.setStanding(taken.pack, taken.standing);
              model.setStanding(taken.pack, taken.standing);
            } else {
              for (const n of taken.ids) {
                const home = taken.do === 'pending' ? { ...homeIn(0, n), pack: PENDING_PACK } : homeIn(pack, n);
                table.set(ALL_IDS[n]!, home);
                model.set(n, home);
              }
            }
          });
          expect(ALL_IDS.map((id) => table.get(id))).toEqual(ALL_IDS.map((_, n) => model.get(n)));
          if (spills > 0) spilled++;
        } finally {
          table.close();
        }
      }),
      { numRuns: 80 },
    );
    expect(spilled).toBeGreaterThan(10);
  });

  it('counts a chunk with several homes once', () => {
    const table = new ChunkTable();
    table.addPack(0, tableOf(0, [1, 2, 3]));
    table.addPack(1, tableOf(1, [2, 3, 4]));
    expect(table.size).toBe(4);
    expect(table.capacity).toBe(6);
  });

  it('takes two chunks for two although their ids differ in the last byte only', () => {
    const table = new ChunkTable();
    table.set(ALL_IDS[2]!, homeIn(0, 2));
    expect(ALL_IDS[3]!.subarray(0, 31)).toEqual(ALL_IDS[2]!.subarray(0, 31));
    expect(table.find(ALL_IDS[3]!)).toBe(-1);
  });

  it('gives rows whose numbers stay while others are added', () => {
    const table = new ChunkTable({ memoryBytes: 3 * BLOCK_BYTES, openSpill: () => openSpillFile(tmpdir()) });
    table.addPack(0, tableOf(0, [10, 11, 12]));
    const rows = [10, 11, 12].map((n) => table.find(ALL_IDS[n]!));
    for (let n = 100; n < 3000; n++) table.set(ALL_IDS[n]!, homeIn(1, n));
    expect([10, 11, 12].map((n) => table.find(ALL_IDS[n]!))).toEqual(rows);
    expect(Math.max(...rows)).toBeLessThan(table.capacity);
    table.close();
  });

  it('stays in memory and says so where the local disk is full', () => {
    const notices: string[] = [];
    const openSpill = (): never => {
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    };
    const table = new ChunkTable({ memoryBytes: 3 * BLOCK_BYTES, openSpill, notice: (message) => notices.push(message) });
    const all = Array.from({ length: IDS }, (_, n) => n);
    table.addPack(0, tableOf(0, all));
    for (const n of all) expect(table.get(ALL_IDS[n]!)).toEqual(homeIn(0, n));
    expect(notices).toEqual([expect.stringContaining('no space left')]);
  });

  it('goes on with what it has when the disk fills up while it spills', () => {
    const notices: string[] = [];
    let writes = 0;
    const openSpill = () => {
      const file = openSpillFile(tmpdir());
      const write = file.write.bind(file);
      file.write = (...block) => {
        if (++writes > 3) throw new Error('ENOSPC: no space left on device');
        write(...block);
      };
      return file;
    };
    const table = new ChunkTable({ memoryBytes: 3 * BLOCK_BYTES, openSpill, notice: (message) => notices.push(message) });
    const all = Array.from({ length: IDS }, (_, n) => n);
    table.addPack(0, tableOf(0, all));
    for (const n of all) expect(table.get(ALL_IDS[n]!)).toEqual(homeIn(0, n));
    expect(notices).toHaveLength(1);
    table.close();
  });

  it('never gives bytes of its spill file that are not what it wrote', () => {
    const openSpill = () => {
      const file = openSpillFile(tmpdir());
      const write = file.write.bind(file);
      file.write = (position, number, block) => {
        write(position, number, block);
        write(position + 8, number + 2 ** 20, Buffer.from([1]));
      };
      return file;
    };
    const table = new ChunkTable({ memoryBytes: 3 * BLOCK_BYTES, openSpill });
    const all = Array.from({ length: IDS }, (_, n) => n);
    expect(() => {
      table.addPack(0, tableOf(0, all));
      all.forEach((n) => table.get(ALL_IDS[n]!));
    }).toThrow(expect.objectContaining({ code: 'unavailable' }));
    table.close();
  });
});
