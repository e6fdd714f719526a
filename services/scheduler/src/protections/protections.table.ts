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

/** A row as it is kept: with the moments between which it is true, and nothing of what has passed since. */
export interface KeptLine extends Omit<ProtectionLine, 'last_due_at'> {
  looked_at: number;
  due_before: number | null;
  due_then: number | null;
  due_after: number | null;
}

export type Moments = Pick<ProtectionLine, 'next_at' | 'last_due_at'>;

/** Of all lines with a plan; whoever wants the last change in them settles the marks first. */
export async function keptLines(transaction: Transaction, organization: string): Promise<KeptLine[]> {
  return transaction.query<KeptLine>(KEPT_LINES, [organization]);
}

/** What is next and what was last due of each of these lines, now. Only where a moment has passed the runs are asked. */
export async function momentsAt(transaction: Transaction, lines: readonly KeptLine[], now: Date): Promise<Moments[]> {
  const present = now.getTime();
  const late = present - ALLOWED_DELAY_MS;
  const passed = new Map<Cover, number[]>();
  const moments = lines.map((line, place): Moments => {
    if (hasPassed(line, present, late)) {
      const places = passed.get(coverOf(line));
      if (places) places.push(place);
      else passed.set(coverOf(line), [place]);
    }
    return { next_at: line.next_at, last_due_at: line.due_then !== null && line.due_then < late ? line.due_then : line.due_before };
  });
  for (const [cover, places] of passed) {
    const some = places.map((place) => lines[place]!);
    const found = await transaction.query<Moments>(momentsOf(cover), [
      some.map((line) => line.plan_id),
      some.map((line) => line.server_id),
      some.map((line) => line.database_id),
      now,
      new Date(late),
    ]);
    places.forEach((place, index) => (moments[place] = found[index]!));
  }
  return moments;
}

function hasPassed({ looked_at, next_at, due_after }: KeptLine, now: number, late: number): boolean {
  return looked_at > now || (next_at !== null && next_at <= now) || (due_after !== null && due_after < late);
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

export const KEPT_LINES = `
  SELECT server_id, plan_id, database_id, backups, ${milliseconds('newest_at')}, ${milliseconds('newest_consistent_at')}, newest_proof,
    ${milliseconds('last_proven_at')}, newest_damaged, verification_error, failures, last_error, last_reasons, ${milliseconds('next_at')},
    ${milliseconds('looked_at')}, ${milliseconds('due_before')}, ${milliseconds('due_then')}, ${milliseconds('due_after')}
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
