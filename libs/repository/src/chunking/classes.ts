import { MAX_FRAME_BYTES } from '../threads/jobs.js';
import type { ChunkClass } from '../snapshots/manifest.js';

/** Sizes in bytes; equal minimum and maximum mean a fixed cut. */
export interface CutSizes {
  min: number;
  average: number;
  max: number;
}

const KIB = 1024;

/** repository.md §5; defaults of a new repository, kept in its config. */
export const DEFAULT_CUT_SIZES: Record<ChunkClass, CutSizes> = {
  rows: { min: 16 * KIB, average: 64 * KIB, max: 256 * KIB },
  pages: { min: 32 * KIB, average: 32 * KIB, max: 32 * KIB },
  log: { min: 1024 * KIB, average: 1024 * KIB, max: 1024 * KIB },
  small: { min: 16 * KIB, average: 64 * KIB, max: 256 * KIB },
};

const TB = 1e12;

/**
 * Sizes for a source of this length. Rows of a huge one are cut coarser, which keeps the index small: 4 times above 1 TB, 16 times
 * above 10 TB (repository.md §5). A source that grows over such a border is stored anew once.
 */
export function cutSizesFor(sizes: Record<ChunkClass, CutSizes>, sourceBytes: number): Record<ChunkClass, CutSizes> {
  const times = sourceBytes > 10 * TB ? 16 : sourceBytes > TB ? 4 : 1;
  const { min, average, max } = sizes.rows;
  const rows = { min: min * times, average: average * times, max: Math.min(max * times, MAX_FRAME_BYTES) };
  return { ...sizes, rows, small: rows };
}

/** An object that ends below this is of class `small`, whatever its source announced. */
export const SMALL_OBJECT_BYTES = 16 * KIB;
