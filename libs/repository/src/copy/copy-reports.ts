import type { CheckOptions, CheckReport } from '../repository.js';

export interface CopyOptions {
  /** Ids, beginnings of ids, or `latest`; all where not given, and then all logs too. */
  snapshots?: string[];
  /** Counts what would move, and writes nothing. */
  dryRun?: boolean;
  /** Reads, cuts and stores everything anew where the two don't share their identity secret; else that is refused. */
  rechunk?: boolean;
  /** What is read back of the copies at the end; `read-data` where not given. */
  verify?: CheckOptions['level'];
  signal?: AbortSignal;
  /** `done` of `total` snapshots; bytes are of plaintext. */
  onProgress?: (progress: { snapshot: string; done: number; total: number; copiedBytes: number }) => void;
}

export interface CopyReport {
  dryRun: boolean;
  copied: { snapshot: string; chunks: number; bytes: number }[];
  /** Stood in the target already, with the same content. */
  present: string[];
  /** Lie in the target's trash, where retention put them. */
  inTrash: string[];
  /** The same of manifests of logs; `present` are also those that the target's own collection has merged. */
  logs: { copied: number; present: number; inTrash: number; chunks: number; bytes: number };
  /** Logs by the names of their files. Nothing of these stands in the target; the others are not affected. */
  failed: { snapshot: string; code: string; message: string }[];
  /** Of the copied snapshots and logs; none in a dry run or where nothing was copied. */
  verification?: CheckReport;
}
