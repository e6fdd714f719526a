import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from './canonical-json.js';

/** What the first entry of an organization points back to. */
export const GENESIS_HASH = '0'.repeat(64);

/** The hashed content of an entry. Its text is stored as it was hashed, byte for byte. */
export const ChainedEntry = z.object({
  organization: z.string(),
  sequence: z.number().int().min(1),
  previousHash: z.string(),
  id: z.string(),
  at: z.string(),
  actor: z.object({ kind: z.string(), id: z.string(), name: z.string(), address: z.string().nullable() }),
  action: z.string(),
  target: z.object({ kind: z.string(), id: z.string(), name: z.string().nullable() }),
  details: z.record(z.string(), z.unknown()),
  request: z.string().nullable(),
});
export type ChainedEntry = z.infer<typeof ChainedEntry>;

export interface StoredEntry {
  sequence: number;
  content: string;
  hash: string;
}

export function sealEntry(entry: ChainedEntry): StoredEntry {
  const content = canonicalJson(entry);
  return { sequence: entry.sequence, content, hash: hashOf(content) };
}

/** What is wrong with `stored` as the successor of `before`; undefined when the link holds. */
export function faultOfLink(stored: StoredEntry, before: { sequence: number; hash: string }, organization: string): string | undefined {
  if (stored.sequence !== before.sequence + 1) return `Entry ${before.sequence + 1} is missing.`;
  if (hashOf(stored.content) !== stored.hash) return `The content of entry ${stored.sequence} does not match its hash.`;
  const entry = ChainedEntry.safeParse(JSON.parse(stored.content));
  if (!entry.success) return `Entry ${stored.sequence} is not an entry of the trail.`;
  if (entry.data.sequence !== stored.sequence || entry.data.organization !== organization)
    return `Entry ${stored.sequence} was moved here from another place.`;
  if (entry.data.previousHash !== before.hash) return `Entry ${stored.sequence} does not follow the entry before it.`;
  return undefined;
}

function hashOf(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}
