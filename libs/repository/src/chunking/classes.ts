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

/** An object that ends below this is of class `small`, whatever its source announced. */
export const SMALL_OBJECT_BYTES = 16 * KIB;
