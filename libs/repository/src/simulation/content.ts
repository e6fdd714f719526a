import { createHmac } from 'node:crypto';
import type { RepositoryKeys } from '../keys/derivation.js';
import type { SnapshotFacts } from '../snapshots/manifest.js';
import type { Random } from './random.js';

/** Bytes of one chunk. */
export const BLOCK_BYTES = 64;
/** Few different blocks, so that writers meet each other's chunks, and those that were condemned. */
const BLOCKS = 24;

/** Mostly few blocks; now and then so many that the recipe is stored by itself. */
export function someContent(random: Random): Buffer {
  const count = random.chance(0.05) ? random.whole(65, 70) : random.whole(1, 4);
  const first = random.whole(0, BLOCKS - 1);
  return contentOf(Array.from({ length: count }, (_, i) => (random.chance(0.7) ? (first + i) % BLOCKS : random.whole(0, BLOCKS - 1))));
}

export function contentOf(blocks: number[]): Buffer {
  return Buffer.concat(blocks.map((block) => Buffer.alloc(BLOCK_BYTES, `block ${block} `)));
}

export function chunkIds({ chunkId }: RepositoryKeys, content: Buffer): string[] {
  const ids: string[] = [];
  for (let at = 0; at < content.length; at += BLOCK_BYTES) {
    const block = content.subarray(at, at + BLOCK_BYTES);
    const text = block.toString('latin1');
    let id = KNOWN_IDS.get(text);
    if (!id) KNOWN_IDS.set(text, (id = createHmac('sha256', chunkId).update(block).digest('hex')));
    ids.push(id);
  }
  return ids;
}

/** All schedules use the same keys. */
const KNOWN_IDS = new Map<string, string>();

export const FACTS: SnapshotFacts = {
  run: 'run_1',
  attempt: 1,
  organization: 'org_1',
  server: { id: 'server_1', identity: '1', name: 'shop', version: '18.1' },
  engine: 'postgresql',
  method: 'postgresql.logical',
  label: 'full',
  consistency: 'snapshot',
  positions: {},
  consistentAt: '2026-01-01T00:00:00.000Z',
  findings: [],
  tool: 'simulation',
  evidence: {},
};
