import type { AttemptResult, RunSecrets, RunSpec } from '@rahat/contracts';
import type { ExecutionProgress, LogLevel } from '@rahat/execution';

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
export type ToChild = ExecuteOrder | { type: 'pause' } | { type: 'resume' };

export interface LogLine {
  at: string;
  level: LogLevel;
  message: string;
}

export type FromChild =
  | { type: 'ready' }
  | { type: 'progress'; progress: ExecutionProgress }
  | { type: 'log'; lines: LogLine[] }
  | { type: 'result'; result: AttemptResult };
