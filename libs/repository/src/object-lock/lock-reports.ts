export interface LockOptions {
  /** Chosen snapshots stay until then at least. Without it only what locked snapshots need is brought up to their own time. */
  until?: Date;
  /** Ids, and of logs the names of their files; without it all of both. */
  snapshots?: string[];
  /** Changes nothing; reports what a call would do now. */
  dryRun?: boolean;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number }) => void;
}

export interface LockReport {
  dryRun: boolean;
  /** That are locked afterwards, logs by the names of their files, the longest first; `until` in RFC 3339. */
  snapshots: { snapshot: string; until: string }[];
  /** All files that these need, which is what can't be freed before their time. */
  held: { files: number; bytes: number };
  /** Those of them whose lock was too short or missing. */
  extended: { files: number; bytes: number };
  /** Snapshots and logs of which something can't be read or is missing; the rest of what they need is locked all the same. */
  failed: { snapshot: string; message: string }[];
}
