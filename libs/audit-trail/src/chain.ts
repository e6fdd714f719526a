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

/** A place in the chain: all entries up to there follow from it. */
export interface Link {
  sequence: number;
  hash: string;
}

export interface StoredEntry extends Link {
  content: string;
}

export function sealEntry(entry: ChainedEntry): StoredEntry {
  const content = canonicalJson(entry);
  return { sequence: entry.sequence, content, hash: hashOf(content) };
}

/** `stored` as the successor of `before`: the entry, or what is wrong with the link. */
export function followLink(stored: StoredEntry, before: Link, organization: string): { entry: ChainedEntry } | { fault: string } {
  if (stored.sequence !== before.sequence + 1)
    return {
      fault:
        stored.sequence > before.sequence
          ? `Entry ${before.sequence + 1} is missing.`
          : `Entry ${stored.sequence} stands where entry ${before.sequence + 1} belongs.`,
    };
  if (hashOf(stored.content) !== stored.hash) return { fault: `The content of entry ${stored.sequence} does not match its hash.` };
  const entry = ChainedEntry.safeParse(parsed(stored.content));
  if (!entry.success) return { fault: `Entry ${stored.sequence} is not an entry of the trail.` };
  if (entry.data.sequence !== stored.sequence || entry.data.organization !== organization)
    return { fault: `Entry ${stored.sequence} was moved here from another place.` };
  if (entry.data.previousHash !== before.hash) return { fault: `Entry ${stored.sequence} does not follow the entry before it.` };
  return { entry: entry.data };
}

function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

function hashOf(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}
