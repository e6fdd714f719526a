import { Engine, Finding, LogRange } from '@rahat/contracts';
import { z } from 'zod';
import { StoredObject } from '../snapshots/manifest.js';

/** What a connector says of one piece of a server's log. */
export const LogFacts = z.object({
  run: z.string(),
  attempt: z.number().int().min(1),
  organization: z.string(),
  server: z.object({ id: z.string(), identity: z.string(), name: z.string(), version: z.string() }),
  engine: Engine,
  /** All that its objects hold together, without a gap. */
  range: LogRange,
  /** When the source had written it, where that is known. */
  consistentAt: z.iso.datetime().optional(),
  findings: z.array(Finding),
  tool: z.string(),
});
export type LogFacts = z.infer<typeof LogFacts>;

/** Positions as the file is named by them: opaque, sorted as text, of one length in a stream. */
export const LogNames = z.object({ first: z.string(), last: z.string() });
export type LogNames = z.infer<typeof LogNames>;

export const LogManifest = LogFacts.extend({
  format: z.literal(1),
  stream: z.string(),
  ...LogNames.shape,
  repository: z.string(),
  writer: z.string(),
  productVersion: z.string(),
  createdAt: z.iso.datetime(),
  /** Each tells by its key and `meta` which bytes of the log it holds: a merged manifest has those of many commits. */
  objects: z.array(StoredObject),
  sizeBytes: z.number().int(),
  /** Bytes that its commits added to the repository's packs. */
  addedBytes: z.number().int(),
  /** Commits that were merged into it; absent where it is one. */
  commits: z.number().int().optional(),
});
export type LogManifest = z.infer<typeof LogManifest>;

export interface LogPlace extends LogNames {
  stream: string;
  /** The name of its file, whether it stands there or in the trash. */
  id: string;
}

/** A log as it was listed; a damaged one comes as its error, never skipped. */
export type LogListing = LogPlace & { storedAt: Date } & ({ ok: true; manifest: LogManifest } | { ok: false; error: Error });

export interface LogsOptions {
  /** Of one stream only. */
  stream?: string;
  /** Those that end behind this position, or begin there. */
  from?: string;
  /** Those that were taken away and can still be brought back, instead of those that stand. */
  trash?: boolean;
  signal?: AbortSignal;
}
