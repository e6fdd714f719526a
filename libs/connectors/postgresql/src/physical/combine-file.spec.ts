import { createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ArtifactsInMemory, failureOf, quietJob } from './test-parts.js';
import type { BackupChain, BackupLink } from './backup-chain.js';
import type { BaseBackupFacts } from './base-backup-layout.js';
import { combineFile } from './combine-file.js';

const BLOCK = 512;
const FILE = 'base/5/1000';
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rhb-combine-spec-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What happens to a relation's file between two backups. Only `extend` is in no log, as when a server enlarges a file ahead. */
type Change = { do: 'write'; block: number; fill: number } | { do: 'extend'; blocks: number } | { do: 'truncate'; to: number };
const anyChange: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('write' as const), block: fc.nat({ max: 40 }), fill: fc.integer({ min: 1, max: 255 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('extend' as const), blocks: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('truncate' as const), to: fc.nat({ max: 40 }) }) },
);

/** A server's file with what its summaries of the log would say since the last backup (basebackup_incremental.c: `GetFileBackupMethod`). */
class ServerFile {
  blocks: number[] = [];
  private changed = new Set<number>();
  private limit = Infinity;
  private longest = 0;

  apply(change: Change): void {
    if (change.do === 'extend') this.enlarge(this.blocks.length + change.blocks);
    else if (change.do === 'write') {
      this.enlarge(change.block + 1);
      this.blocks[change.block] = change.fill;
      this.changed.add(change.block);
    } else if (change.to < this.blocks.length) {
      this.blocks.length = change.to;
      this.limit = Math.min(this.limit, change.to);
      this.changed = new Set([...this.changed].filter((block) => block < change.to));
    }
  }

  private enlarge(length: number): void {
    for (; this.blocks.length < length; this.blocks.push(0)) {
      // Where the file was that long before, a server writes pages anew with log; neither it nor its own tool would tell a zero there.
      if (this.blocks.length < this.longest) this.changed.add(this.blocks.length);
      this.longest = Math.max(this.longest, this.blocks.length + 1);
    }
  }

  /** Either form, as the server sends it; `whole` also where most of it has changed. */
  backUp(first: boolean): { whole: boolean; bytes: Buffer } {
    const numbers = [...this.changed].filter((block) => block < this.blocks.length).sort((a, b) => a - b);
    const limit = this.limit;
    this.changed.clear();
    this.limit = Infinity;
    const whole = first || limit === 0 || this.blocks.length === 0 || numbers.length > this.blocks.length * 0.9;
    if (whole) return { whole, bytes: this.bytes };
    const header = Buffer.alloc(12 + 4 * numbers.length);
    header.writeUInt32LE(0xd3ae1f0d, 0);
    header.writeUInt32LE(numbers.length, 4);
    header.writeUInt32LE(limit === Infinity ? this.blocks.length : Math.max(this.blocks.length, limit), 8);
    for (const [index, block] of numbers.entries()) header.writeUInt32LE(block, 12 + 4 * index);
    const padding = numbers.length === 0 ? 0 : (BLOCK - (header.length % BLOCK)) % BLOCK;
    return {
      whole,
      bytes: Buffer.concat([header, Buffer.alloc(padding), ...numbers.map((block) => Buffer.alloc(BLOCK, this.blocks[block]))]),
    };
  }

  get bytes(): Buffer {
    return Buffer.concat(this.blocks.map((fill) => Buffer.alloc(BLOCK, fill)));
  }
}

async function linkOf(index: number, { whole, bytes }: { whole: boolean; bytes: Buffer }): Promise<BackupLink> {
  const path = whole ? FILE : 'base/5/INCREMENTAL.1000';
  const source = new ArtifactsInMemory();
  const body = (async function* () {
    yield await Promise.resolve(bytes);
  })();
  const artifact = await source.write({ key: `base/${path}`, kind: 'file', order: 1, class: 'pages' }, body);
  return {
    source,
    facts: { blockSize: BLOCK } as BaseBackupFacts,
    manifest: { files: new Map([[path, artifact]]), logRanges: [] },
    files: new Map([[path, artifact]]),
    name: `backup ${index}`,
  };
}

async function combined(chain: BackupLink[], name: string): Promise<{ bytes: Buffer; sha256: string }> {
  const file = await open(join(folder, name), 'w+');
  try {
    const { sizeBytes, sha256 } = await combineFile(FILE, chain as unknown as BackupChain, file, quietJob);
    const bytes = await file.readFile();
    expect(bytes.length).toBe(sizeBytes);
    return { bytes, sha256 };
  } finally {
    await file.close();
  }
}

describe('a file that is put together from a chain of backups', () => {
  it('is what the server had, whatever was written, enlarged and cut off in between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(anyChange, { maxLength: 12 }), { minLength: 2, maxLength: 6 }), async (periods) => {
        const server = new ServerFile();
        const chain: BackupLink[] = [];
        for (const [index, period] of periods.entries()) {
          for (const change of period) server.apply(change);
          const taken = server.backUp(index === 0);
          chain.unshift(await linkOf(index, taken));
          if (taken.whole) continue;
          const { bytes, sha256 } = await combined(chain, 'any');
          expect(bytes.equals(server.bytes)).toBe(true);
          expect(sha256).toBe(createHash('sha256').update(server.bytes).digest('hex'));
        }
      }),
      { numRuns: 200 },
    );
  });

  const server = new ServerFile();
  const chainOfThree = async (): Promise<[BackupLink, BackupLink, BackupLink]> => {
    server.blocks = [1, 2, 3, 4, 5];
    const full = await linkOf(0, server.backUp(true));
    server.apply({ do: 'write', block: 1, fill: 20 });
    const middle = await linkOf(1, server.backUp(false));
    server.apply({ do: 'write', block: 3, fill: 40 });
    return [await linkOf(2, server.backUp(false)), middle, full];
  };

  it('is refused where a link has other bytes than the server sent, and the link is named', async () => {
    for (const index of [0, 1, 2]) {
      const chain = await chainOfThree();
      const link = chain[index]!;
      const [[path, artifact] = ['', undefined]] = [...link.files];
      const source = link.source as ArtifactsInMemory;
      source.flipByte(artifact!.key, 100);
      chain[index] = { ...link, files: new Map([[path, source.artifacts[0]!]]) };
      expect(await failureOf(combined(chain, 'flipped'))).toMatchObject({
        code: 'restore_mismatch',
        message: expect.stringContaining(`of backup ${2 - index} differs`),
      });
    }
  });

  it('is refused where a link, or the file in it, is not there', async () => {
    const [newest, middle, full] = await chainOfThree();
    expect(await failureOf(combined([newest, middle], 'short'))).toMatchObject({
      code: 'dump_invalid',
      message: expect.stringContaining('whole of'),
    });
    const without = { ...middle, files: new Map() };
    expect(await failureOf(combined([newest, without, full], 'hole'))).toMatchObject({
      code: 'dump_invalid',
      message: expect.stringContaining('backup 1'),
    });
  });

  it('is refused where the incremental file is none, or tells of other blocks than it has', async () => {
    const [newest, middle, full] = await chainOfThree();
    for (const damage of [(bytes: Buffer) => bytes.fill(0, 0, 4), (bytes: Buffer) => bytes.writeUInt32LE(7, 4)]) {
      const bytes = Buffer.from((newest.source as ArtifactsInMemory).bytes.get('base/base/5/INCREMENTAL.1000')!);
      damage(bytes);
      const odd = await linkOf(2, { whole: false, bytes });
      expect(await failureOf(combined([odd, middle, full], 'odd'))).toMatchObject({
        code: 'dump_invalid',
        message: expect.stringContaining(FILE),
      });
    }
  });
});
