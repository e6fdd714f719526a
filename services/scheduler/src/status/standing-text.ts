import { secondsSince, stateOf, statusOf, type SummarizedDatabase } from './database-status.js';
import type { Passing, Standing } from './standings.js';

/** The JSON of a `DatabaseStatus` around what passes with time. */
export interface StandingText {
  names: string;
  lastBackupAt: string | null;
  last: string;
  counts: string;
  /** As the line's row has it, which is nearly always so. */
  next: { at: number | null; text: string };
}

export interface StatusText extends SummarizedDatabase {
  json: string;
}

/** Ten thousand objects, each a moment old, take longer to make and to write as JSON than to read all they are made of. */
export function standingText(protection: Standing['protection'], nextAt: number | null): StandingText {
  const status = statusOf({ ...protection, nextRunAt: null, lastDueAt: null, allowedAgeMs: null }, new Date(0));
  const { server, serverName, database, databaseName, plan, planName } = status;
  const { lastBackupAt, lastProvenAt, lastProof, backups, failuresSinceSuccess, lastError } = status;
  return {
    names: JSON.stringify({ server, serverName, database, databaseName, plan, planName }).slice(0, -1),
    lastBackupAt,
    last: JSON.stringify({ lastBackupAt, lastProvenAt, lastProof }).slice(1, -1),
    counts: JSON.stringify({ backups, failuresSinceSuccess, lastError }).slice(1),
    next: { at: nextAt, text: momentText(nextAt) },
  };
}

/** The same as `statusOf`, as JSON. */
export function statusText({ protection, text }: Standing, { nextRunAt, lastDueAt, allowedAgeMs }: Passing, now: Date): StatusText {
  const state = stateOf(protection, lastDueAt);
  const backupAge = secondsSince(protection.newest?.consistentAt, now);
  const proofAge = secondsSince(protection.lastProvenAt, now);
  const allowedAge = allowedAgeMs === null ? null : Math.round(allowedAgeMs / 1000);
  const nextAt = nextRunAt === null ? null : nextRunAt.getTime();
  const next = nextAt === text.next.at ? text.next.text : momentText(nextAt);
  return {
    serverName: protection.serverName,
    databaseName: protection.databaseName,
    state,
    lastBackupAt: text.lastBackupAt,
    json: `${text.names},"state":"${state}",${text.last},"backupAgeSeconds":${backupAge},"proofAgeSeconds":${proofAge},"allowedAgeSeconds":${allowedAge},"nextRunAt":${next},${text.counts}`,
  };
}

function momentText(at: number | null): string {
  return at === null ? 'null' : JSON.stringify(new Date(at));
}
