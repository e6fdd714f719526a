import { StorageConnection } from '@rahat/contracts';
import { z } from 'zod';

/** Leases live for seconds here; a call to the storage may take longer on a busy machine, and that is no failure. */
export const CALL_DEADLINE_MS = 30_000;

/** What a process of the crew is told, as a line of JSON on its standard input. */
export const Orders = z.object({
  place: StorageConnection,
  /** In base64. */
  secrets: z.object({ masterKey: z.string(), identitySecret: z.string() }),
  /** `choir` = writers that all have written before the first one commits: that waits for one more line on the standard input. */
  role: z.enum(['writer', 'choir', 'collector']),
  name: z.string(),
  seed: z.number().int(),
  leaseTtlMs: z.number().int(),
  /** How wrong its wall clock is. */
  clockOffsetMs: z.number().int(),
  /** Ends after this many backups or collections; without it only a signal ends it. A choir has so many voices. */
  rounds: z.number().int().optional(),
  /** Stops itself (SIGSTOP) once, at the first call of this kind whose name begins so. */
  stop: z
    .object({
      /** `within` = a local file is written, but not shown yet. */
      moment: z.enum(['before', 'within', 'after']),
      call: z.enum(['put', 'stat', 'list', 'remove']),
      prefix: z.string(),
    })
    .optional(),
});
export type Orders = z.infer<typeof Orders>;

/** What it says, a line of JSON each, before it does anything else. */
export type Report =
  | { type: 'written' }
  | { type: 'committed'; snapshot: string; seed: number }
  /** From here on the snapshot may be gone. */
  | { type: 'removing'; snapshot: string }
  | { type: 'brought-back'; snapshot: string }
  | { type: 'collected'; deletedPacks: number; condemnedPacks: number }
  | { type: 'failed'; code: string; message: string };
