import type { RunError } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { Proof } from '../verification/proof.js';
import { EXPECTED, SCHEDULED } from './facts.js';

/** A scheduled backup may take this long before its absence turns a database red. */
export const ALLOWED_DELAY_MS = 3_600_000;

/** A database (or a whole server: '') under a plan (or under none: ''). */
export interface LineKey {
  server_id: string;
  plan_id: string;
  database_id: string;
}

/**
 * What is known of the backups and the backup runs of a line; of a line without any there is no row. Moments in milliseconds since 1970:
 * there are fifty thousand of them in a large installation, and to read them as dates takes longer than all the rest.
 */
export interface ProtectionLine extends LineKey {
  /** Whole, undamaged backups that are still there; the newest of them. */
  backups: number;
  newest_at: number | null;
  newest_consistent_at: number | null;
  newest_proof: Proof | null;
  last_proven_at: number | null;
  /** Of the newest whole backup, damaged or not: what its last verification failed with. */
  newest_damaged: boolean;
  verification_error: RunError | null;
  next_at: number | null;
  /** The newest scheduled time that has passed by more than the allowed delay. */
  last_due_at: number | null;
  /** Backup runs since the last that succeeded which didn't. */
  failures: number;
  last_error: RunError | null;
  last_reasons: string[] | null;
}

/** Of all lines with a plan, as they are now; whoever wants the last change in it settles the marks first. */
export async function protectionLines(transaction: Transaction, organization: string, now: Date): Promise<ProtectionLine[]> {
  const moments = [now, new Date(now.getTime() - ALLOWED_DELAY_MS)];
  const lines = await transaction.query<ProtectionLine & { passed: boolean }>(PROTECTION_LINES, [organization, ...moments]);
  const passed = Map.groupBy(
    lines.filter((line) => line.passed),
    coverOf,
  );
  for (const [cover, some] of passed) {
    const found = await transaction.query<Pick<ProtectionLine, 'next_at' | 'last_due_at'>>(momentsOf(cover), [
      some.map((line) => line.plan_id),
      some.map((line) => line.server_id),
      some.map((line) => line.database_id),
      ...moments,
    ]);
    some.forEach((line, index) => Object.assign(line, found[index]));
  }
  return lines;
}

/** The newest whole backup of a database (or whole server), of whatever plan. */
export interface NewestBackup {
  server_id: string;
  server: string;
  engine: string;
  database_id: string;
  database: string;
  size_bytes: string;
  added_bytes: string;
}

export async function newestBackups(transaction: Transaction, organization: string): Promise<NewestBackup[]> {
  return transaction.query<NewestBackup>(NEWEST_BACKUPS, [organization]);
}

export type Cover = 'database' | 'server';

export function coverOf(line: LineKey): Cover {
  return line.database_id === '' ? 'server' : 'database';
}

/** No index answers `IS NOT DISTINCT FROM`: a whole server is asked for in other words than a database. */
export function runsOfLine(cover: Cover, condition: string): string {
  const database = cover === 'server' ? 'database_id IS NULL' : 'database_id = line.database_id';
  return `FROM runs WHERE plan_id = line.plan_id AND server_id = line.server_id AND ${database} AND ${condition}`;
}

const milliseconds = (moment: string, name = moment) => `(extract(epoch FROM ${moment}) * 1000)::float8 AS ${name}`;

/** $2 now, $3 the moment since when a run may still be late. */
export const PROTECTION_LINES = `
  SELECT server_id, plan_id, database_id, backups, ${milliseconds('newest_at')}, ${milliseconds('newest_consistent_at')}, newest_proof,
    ${milliseconds('last_proven_at')}, newest_damaged, verification_error, failures, last_error, last_reasons, ${milliseconds('next_at')},
    ${milliseconds('CASE WHEN due_then < $3 THEN due_then ELSE due_before END', 'last_due_at')},
    COALESCE(looked_at > $2 OR next_at <= $2 OR due_after < $3, false) AS passed
  FROM protections WHERE organization_id = $1 AND plan_id <> ''`;

/** Moments pass without anything that changes. In the order of the lines: $1 plans, $2 servers, $3 databases; $4 and $5 as above. */
export function momentsOf(cover: Cover): string {
  return `
    SELECT ${milliseconds('next.at', 'next_at')}, ${milliseconds('due.at', 'last_due_at')}
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS line (plan_id, server_id, database_id, place)
    CROSS JOIN LATERAL (SELECT min(due_at) AS at ${runsOfLine(cover, `${EXPECTED} AND due_at > $4`)}) AS next
    CROSS JOIN LATERAL (SELECT max(due_at) AS at ${runsOfLine(cover, `${SCHEDULED} AND due_at < $5`)}) AS due
    ORDER BY line.place`;
}

export const NEWEST_BACKUPS = `
  SELECT DISTINCT ON (line.server_id, line.database_id) line.server_id, servers.name AS server, servers.engine, line.database_id,
    COALESCE(line.database_name, 'whole server') AS database, line.size_bytes, line.added_bytes
  FROM protections AS line JOIN servers ON servers.id = line.server_id
  WHERE line.organization_id = $1 AND line.newest_at IS NOT NULL AND servers.deleted_at IS NULL
  ORDER BY line.server_id, line.database_id, line.newest_at DESC, line.plan_id DESC`;
