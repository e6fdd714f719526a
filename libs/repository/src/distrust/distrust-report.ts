/** Whose word doesn't count any more. Everyone: for a writer that may have written under other names. */
export type Distrusted = { writer: string } | 'everyone';

export interface DistrustOptions {
  /** Says what would be done, and writes nothing. */
  dryRun?: boolean;
  signal?: AbortSignal;
  /** Packs first, then the snapshots that the writer made. */
  onProgress?: (progress: { phase: 'packs' | 'snapshots'; done: number; total: number }) => void;
}

export interface DistrustReport {
  dryRun: boolean;
  /** Names that stand in segments and manifests; whoever holds a write-only credential can use any. */
  writers: string[];
  /** Segments that go: all of the writer's, and those of others that contradict what was proven. */
  droppedSegments: string[];
  /** Packs that nobody else vouches for, read whole and compared with every chunk's id. */
  triedPacks: number;
  triedBytes: number;
  /** Set aside under `damaged/`; what is true in them was stored anew. */
  lyingPacks: { pack: string; message: string; falseChunks: number; trueChunks: number }[];
  /** Chunks of lying packs that were stored anew. 0 in a dry run. */
  savedChunks: number;
  savedBytes: number;
  /** Lying packs that the storage holds by a lock: no index names them, and they must be distrusted again when it ends. */
  lockedPacks: string[];
  /** What snapshots need and nobody holds any more: the next backup of the same data, or healing from a sibling, brings it again. */
  affected: { snapshot: string; objects: string[] }[];
  /** The writer's own snapshots, read whole. A consistent one may still tell of data that was never in the source. */
  snapshots: { snapshot: string; consistent: boolean; falseObjects: string[]; message?: string }[];
  /** Sessions that may have begun on the writer's word; check the repository when they have ended. */
  openSessions: string[];
}
