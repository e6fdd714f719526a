import { z } from 'zod';
import { ContentUpload } from './contents.js';
import { RunError } from './evidence.js';

/** A segment that a scheduler holds at its other end; goes sealed to the worker that follows the stream. */
export const LogPushOrder = z.object({
  /** `000000010000000000000042` */
  file: z.string(),
  sizeBytes: z.number().int().positive(),
  /** GET there gives the segment, once. */
  take: ContentUpload,
  /** POST there tells what became of it; opened at once, so that the other end sees when the worker dies. */
  answer: ContentUpload,
});
export type LogPushOrder = z.infer<typeof LogPushOrder>;

/** What became of a segment. Told only when it is durable, or when it will not be stored. */
export const LogPushVerdict = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('stored') }),
  /** The very same was stored before. */
  z.object({ outcome: z.literal('known') }),
  z.object({ outcome: z.literal('refused'), error: RunError }),
]);
export type LogPushVerdict = z.infer<typeof LogPushVerdict>;

/** The signal to the workers that a segment waits for the follower of a stream. */
export const LOG_PUSHED = 'log.pushed';
export const LogPushSignal = z.object({ run: z.string(), attempt: z.number().int(), binding: z.string(), sealedOrder: z.string() });
export type LogPushSignal = z.infer<typeof LogPushSignal>;

/** What the GET gives is the segment, and behind it the SHA-256 of it: in the body itself, because proxies lose what stands behind one. */
export const DIGEST_BYTES = 32;
/** Beside it the history files that help to place the segment: base64 of JSON. */
export const HISTORIES_HEADER = 'rahat-histories';
export const PushedHistories = z.array(z.object({ timeline: z.number().int().min(2), content: z.base64() }));
