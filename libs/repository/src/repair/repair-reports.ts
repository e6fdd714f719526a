export interface RepairOptions {
  /** Says what would be done, and writes nothing. */
  dryRun?: boolean;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number }) => void;
}

export interface IndexRepair {
  dryRun: boolean;
  /** Packs in the storage. */
  packs: number;
  /** Segments that were damaged or wrong. */
  replacedSegments: { file: string; why: string }[];
  /** 0 in a dry run. */
  writtenSegments: number;
  /** Packs that no readable segment named, or none rightly; each is a SHA-256 in hex. */
  addedPacks: string[];
  /** Packs that the index named and that the storage doesn't have. */
  missingPacks: string[];
  /** Packs whose own table of contents is damaged: `repairPacks` is for them. */
  unreadablePacks: { pack: string; message: string; /** By an older statement of the index. */ indexed: boolean }[];
}

export interface PackRepairOptions extends RepairOptions {
  /** How thoroughly packs are looked at first; `deep` where not given. Progress counts bytes. */
  level?: 'structure' | 'read-data' | 'deep';
}

export interface PackRepair {
  dryRun: boolean;
  packs: {
    /** SHA-256 in hex. */
    pack: string;
    state: 'damaged' | 'missing';
    message: string;
    /** Snapshots and objects that can't be restored whole until a backup or `heal` brings the chunks again. */
    affects: { snapshot: string; objects: string[] }[];
  }[];
  /** Read from damaged packs and stored anew. */
  savedChunks: number;
  savedBytes: number;
}

export interface HealOptions extends RepairOptions {
  /** How thoroughly damage is looked for first; `structure` finds what is missing, `deep` each wrong byte. */
  level?: 'structure' | 'read-data' | 'deep';
}

export interface HealReport {
  dryRun: boolean;
  /** Chunks that a snapshot needs and that can't be read here. */
  missingChunks: number;
  /** Of these, the ones that the sibling gave, verified. 0 in a dry run. */
  healedChunks: number;
  healedBytes: number;
  /** What stays damaged, because the sibling doesn't have it or can't read it either. */
  remaining: { snapshot: string; objects: string[] }[];
}
