import { z } from 'zod';
import { Engine } from './labels.js';
import { LogRange } from './log-stream.js';

/** Streams cross the queue in pages, and so do the ranges of one that has many. */
export const MOST_LOGS_AT_ONCE = 100;
export const MOST_RANGES_AT_ONCE = 1_000;

/** The log of a stream as its repository tells of it; adjacent commits are one range. */
export const FoundLog = z.object({
  stream: z.string(),
  organization: z.string(),
  server: z.object({ id: z.string(), identity: z.string(), name: z.string(), version: z.string() }),
  engine: Engine,
  ranges: z.array(LogRange).min(1).max(MOST_RANGES_AT_ONCE),
});
export type FoundLog = z.infer<typeof FoundLog>;
