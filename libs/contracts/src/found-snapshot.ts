import { z } from 'zod';
import { Finding } from './finding.js';
import { BackupLabel, BackupMethod, Consistency, Engine } from './labels.js';

/** What a worker tells of one backup's findings; the manifest has them all. */
export const MOST_FINDINGS_FOUND = 50;
/** Snapshots cross the queue in pages, however many a repository has. */
export const MOST_FOUND_AT_ONCE = 100;

const where = {
  snapshot: z.string(),
  place: z.enum(['snapshots', 'trash']),
  /** By the storage's clock: when it was committed, or came into the trash. */
  storedAt: z.iso.datetime(),
};

/** A snapshot as its repository tells of it: enough to make the catalog's row anew (repository.md §7). */
export const ReadableSnapshot = z.object({
  ...where,
  readable: z.literal(true),
  run: z.string(),
  attempt: z.number().int(),
  organization: z.string(),
  plan: z.object({ id: z.string(), name: z.string() }).optional(),
  server: z.object({ id: z.string(), identity: z.string(), name: z.string(), version: z.string() }),
  database: z.object({ id: z.string().optional(), name: z.string() }).optional(),
  engine: Engine,
  method: BackupMethod,
  label: BackupLabel,
  /** Snapshot that this one is restored upon; absent = it stands alone. */
  parent: z.string().optional(),
  consistency: Consistency,
  consistentAt: z.iso.datetime(),
  /** Absent: its worker is older. */
  positions: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  createdAt: z.iso.datetime(),
  tool: z.string(),
  findings: z.array(Finding).max(MOST_FINDINGS_FOUND),
  objects: z.number().int(),
  rows: z.number().int(),
  sizeBytes: z.number().int(),
  addedBytes: z.number().int(),
  /** What the writer saw; a manifest may be without a part of it. */
  evidence: z
    .object({
      cleanExit: z.boolean(),
      trailerSeen: z.boolean(),
      objectsExpected: z.number().int(),
      objectsFound: z.number().int(),
      rows: z.number().int(),
      bytes: z.number().int(),
    })
    .partial(),
});
export type ReadableSnapshot = z.infer<typeof ReadableSnapshot>;

export const FoundSnapshot = z.discriminatedUnion('readable', [
  ReadableSnapshot,
  z.object({ ...where, readable: z.literal(false), error: z.object({ code: z.string(), message: z.string() }) }),
]);
export type FoundSnapshot = z.infer<typeof FoundSnapshot>;

const count = z.number().int();

/** How many snapshots became what in a rebuild of the catalog. */
export const RebuildCounts = z.object({
  /** The catalog says of it what the repository says. */
  known: count,
  /** The catalog did not know it. */
  recorded: count,
  /** As above; it lies in the trash, and can be brought back. */
  recordedInTrash: count,
  /** The catalog took it for removed, or for standing, and the repository says otherwise. */
  corrected: count,
  /** A run that is under way made it, and will say so itself. */
  inFlight: count,
  /** Of an attempt that was given up: the storage takes it away. */
  givenUp: count,
  /** Its manifest names another organization. */
  foreign: count,
  unreadable: count,
});
export type RebuildCounts = z.infer<typeof RebuildCounts>;

export const RebuildOutcome = RebuildCounts.keyof();
export type RebuildOutcome = z.infer<typeof RebuildOutcome>;

/** Of a rebuild that has found nothing yet. */
export function noRebuildCounts(): RebuildCounts {
  return { known: 0, recorded: 0, recordedInTrash: 0, corrected: 0, inFlight: 0, givenUp: 0, foreign: 0, unreadable: 0 };
}

export const RebuiltSnapshot = z.object({ snapshot: z.string(), outcome: RebuildOutcome, reason: z.string().optional() });
export type RebuiltSnapshot = z.infer<typeof RebuiltSnapshot>;

/** Backups of the catalog whose snapshot is not in the repository: the first ones. */
export const MOST_MISSING_NAMED = 1_000;
export const MissingBackups = z.object({
  count: z.number().int(),
  backups: z.array(z.object({ backup: z.string(), snapshot: z.string() })).max(MOST_MISSING_NAMED),
});
export type MissingBackups = z.infer<typeof MissingBackups>;
