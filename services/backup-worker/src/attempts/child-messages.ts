import type {
  AttemptResult,
  CommandPayload,
  FoundLog,
  FoundSnapshot,
  LogPushOrder,
  RunSecrets,
  RunSpec,
  SerializedRahatError,
} from '@rahat/contracts';
import type { ExecutionProgress, LogLevel, TellFound } from '@rahat/execution';

/** What goes over the IPC channel between the worker and a run's child; both are always of one build. */
export interface ExecuteOrder {
  type: 'execute';
  spec: RunSpec;
  secrets: RunSecrets;
  toolFolders: string[];
  scratchFolder: string;
  cacheFolder?: string;
  workerName: string;
}
/** What the catalog says to a page of found snapshots. */
export type FoundAnswer = { told: Awaited<ReturnType<TellFound>> } | { error: SerializedRahatError };
export type ToChild =
  | ExecuteOrder
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'found-answer'; answer: FoundAnswer }
  /** For a follower of pushed log: a segment waits. */
  | { type: 'pushed'; order: LogPushOrder };

export interface LogLine {
  at: string;
  level: LogLevel;
  message: string;
}

/** Of a follower: durable in the repository. */
export type LogCommitted = Omit<CommandPayload<'log.committed.v1'>, 'run' | 'attempt' | 'worker'>;

export type FromChild =
  | { type: 'ready' }
  | { type: 'progress'; progress: ExecutionProgress }
  | { type: 'log'; lines: LogLine[] }
  | { type: 'committed'; committed: LogCommitted }
  /** The next page comes only after the answer. */
  | { type: 'found'; snapshots: FoundSnapshot[]; last: boolean; logs?: FoundLog[] }
  | { type: 'result'; result: AttemptResult };
