import type { CatalogEntry } from '../catalog/catalog-entries.js';

/** A session that holds a lease now. */
export interface RunningSession {
  kind: 'writer' | 'reader' | 'collector' | 'unknown';
  holder: string;
  /** By the storage's clock; of a lease that can't be read: the beginning of time. */
  beganAt: Date;
}

/** What whoever finds a repository should know before working in it. */
export interface RepositorySurvey {
  sessions: RunningSession[];
  snapshots: number;
  /** Those that were stored last, newest first. */
  newest: CatalogEntry[];
  /** Continuous logs, by name. */
  streams: SurveyedStream[];
}

export interface SurveyedStream {
  stream: string;
  /** Manifests. */
  logs: number;
  /** The position that it reaches, and when what reaches it was stored. */
  last: string;
  storedAt: Date;
}

export interface SurveyOptions {
  /** Manifests that are read; the others are only counted. Default 20. */
  newest?: number;
  signal?: AbortSignal;
}
