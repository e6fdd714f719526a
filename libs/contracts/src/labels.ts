import { z } from 'zod';

/** engines.md §9: shown as they are, never a nicer one. */
export const Engine = z.enum(['postgresql']);
export type Engine = z.infer<typeof Engine>;

export const BackupMethod = z.enum(['postgresql.logical', 'postgresql.physical']);
export type BackupMethod = z.infer<typeof BackupMethod>;

/** What a backup is relative to those before it. Which method can do which stands in methods.ts. */
export const BackupType = z.enum(['full', 'differential', 'incremental', 'log']);
export type BackupType = z.infer<typeof BackupType>;

export const Consistency = z.enum(['snapshot', 'snapshot-innodb-only', 'oplog-consistent', 'per-object', 'none']);
export type Consistency = z.infer<typeof Consistency>;

export const BackupLabel = z.enum([
  'full',
  'full · space-incremental',
  'incremental (native)',
  'differential (native)',
  'log',
  'snapshot-ref',
]);
export type BackupLabel = z.infer<typeof BackupLabel>;

const TYPES: Record<BackupLabel, BackupType> = {
  full: 'full',
  'full · space-incremental': 'full',
  'incremental (native)': 'incremental',
  'differential (native)': 'differential',
  log: 'log',
  'snapshot-ref': 'full',
};

export function typeOfLabel(label: BackupLabel): BackupType {
  return TYPES[label];
}

export const VerificationLevel = z.enum(['BASIC', 'DATABASE', 'FULL']);
export type VerificationLevel = z.infer<typeof VerificationLevel>;

export const RunType = z.enum(['backup', 'verification', 'restore', 'collection', 'rebuild', 'follow', 'comparison']);
export type RunType = z.infer<typeof RunType>;

/** design.md §6; transitions stand in services/scheduler/src/runs/run-states.ts. */
export const RunState = z.enum([
  'expected',
  'due',
  'queued',
  'running',
  'succeeded',
  'partial',
  'failed',
  'cancelled',
  'missed',
  'skipped',
]);
export type RunState = z.infer<typeof RunState>;
