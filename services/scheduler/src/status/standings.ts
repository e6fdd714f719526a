import type { RunError } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { schedulesOf, type ScheduleRow } from '../plans/schedules.table.js';
import { keptLines, type KeptLine } from '../protections/protections.table.js';
import type { Protection } from './database-status.js';
import { statedLines, type StatedDatabase, type StatedLine, type StatedPlan, type StatedServer } from './stated-lines.js';
import { standingText, type StandingText } from './standing-text.js';

/** What passes with time. */
export type Passing = Pick<Protection, 'nextRunAt' | 'lastDueAt' | 'allowedAgeMs'>;

/** A line of the status, but for what passes with time. */
export interface Standing {
  protection: Omit<Protection, keyof Passing>;
  kept: KeptLine | undefined;
  text: StandingText;
}

interface Parts {
  servers: StatedServer[];
  databases: StatedDatabase[];
  plans: StatedPlan[];
  schedules: Map<string, ScheduleRow[]>;
  kept: KeptLine[];
}

export interface KnownStandings {
  versions: Record<keyof Parts, string>;
  parts: Parts;
  standings: Standing[];
}

/** A kilobyte or two each. */
const MOST_LINES = 30_000;

/**
 * The lines of an organization, kept in memory: a large one has ten thousand of them, of which few change between two looks. Each look asks
 * the database for the versions of what they are made of, under the same row security as the rows themselves, and reads anew what has
 * another one; so nobody is told anything older, or of others, than by reading all of it.
 */
export class Standings {
  private readonly remembered = new Map<string, KnownStandings>();

  async of(transaction: Transaction, organization: string): Promise<KnownStandings> {
    // Versions first: rows that change in between are younger than their version, and are read again by the next look.
    const [versions] = await transaction.query<KnownStandings['versions']>(VERSIONS, [organization]);
    const before = this.remembered.get(organization);
    const isKnown = (...parts: (keyof Parts)[]) => parts.every((part) => before?.versions[part] === versions![part]);
    if (before && isKnown('servers', 'databases', 'plans', 'schedules', 'kept')) return before;
    const { parts } = before ?? {};
    const servers = parts && isKnown('servers') ? parts.servers : await transaction.query<StatedServer>(SERVERS);
    const databases = parts && isKnown('databases') ? parts.databases : await transaction.query<StatedDatabase>(DATABASES);
    const plans = parts && isKnown('plans') ? parts.plans : await transaction.query<StatedPlan>(PLANS);
    const schedules = parts && isKnown('plans', 'schedules') ? parts.schedules : await schedulesOf(transaction, plans);
    const kept = parts && isKnown('kept') ? parts.kept : await keptLines(transaction, organization);
    const read = { servers, databases, plans, schedules, kept };
    const known = { versions: versions!, parts: read, standings: standingsOf(read) };
    this.remember(organization, known);
    return known;
  }

  /** The oldest go first, and one that would need all of the room is not kept. */
  private remember(organization: string, known: KnownStandings): void {
    this.remembered.delete(organization);
    let room = MOST_LINES - known.standings.length;
    for (const { standings } of this.remembered.values()) room -= standings.length;
    for (const [other, { standings }] of this.remembered) {
      if (room >= 0) break;
      this.remembered.delete(other);
      room += standings.length;
    }
    if (room >= 0) this.remembered.set(organization, known);
  }
}

function standingsOf({ servers, databases, plans, kept }: Parts): Standing[] {
  const lineOf = new Map(kept.map((line) => [`${line.plan_id} ${line.server_id} ${line.database_id}`, line]));
  return statedLines(servers, databases, plans).map((line) => {
    const { server, database, plan } = line;
    const known = plan ? lineOf.get(`${plan.id} ${server.id} ${database.id ?? ''}`) : undefined;
    const protection = protectionOf(line, known);
    return { protection, kept: known, text: standingText(protection, known?.next_at ?? null) };
  });
}

function protectionOf({ server, database, plan }: StatedLine, line: KeptLine | undefined): Standing['protection'] {
  return {
    server: server.id,
    serverName: server.name,
    engine: server.engine,
    database: database.id,
    databaseName: database.name,
    plan: plan && { id: plan.id, name: plan.name, enabled: plan.enabled },
    backups: line?.backups ?? 0,
    newest: line?.newest_proof
      ? { at: new Date(line.newest_at!), consistentAt: new Date(line.newest_consistent_at!), proof: line.newest_proof }
      : null,
    lastProvenAt: typeof line?.last_proven_at === 'number' ? new Date(line.last_proven_at) : null,
    failuresSinceSuccess: line?.failures ?? 0,
    failure: line ? failureOf(line) : null,
  };
}

function failureOf(line: KeptLine): RunError | null {
  if (line.failures > 0)
    return (
      line.last_error ?? {
        code: 'preflight_blocked',
        message: (line.last_reasons ?? []).join(' ') || 'The last backup is not whole',
        retryable: false,
      }
    );
  if (line.newest_damaged)
    return line.verification_error ?? { code: 'repository_damaged', message: 'The newest backup is damaged', retryable: false };
  return line.verification_error;
}

const SERVERS = `SELECT id, name, engine, group_ids, tags FROM servers WHERE deleted_at IS NULL ORDER BY platform, name`;
const DATABASES = `SELECT id, server_id, name, connectable, excluded, missing_since, tags FROM databases ORDER BY name`;
const PLANS = `SELECT id, name, enabled, method, databases, server_ids, server_groups, server_tags FROM plans WHERE deleted_at IS NULL ORDER BY name`;

/** Notes are written on servers, and plans are planned anew, all the time: there only what is read counts. */
const contentOf = (columns: string) => `concat(count(*), ' ', sum(hashtextextended(concat_ws(chr(31), ${columns}), 0)))`;
/**
 * The sum of the transactions' numbers: a changed row gets a higher one, and where as many rows came as went, those that came have higher
 * ones. By their ages, because PostgreSQL makes numbers of them only by way of text, for ten thousand rows in as long as all else takes.
 */
const ROWS = `concat(count(*), ' ', count(*) * age('3'::xid)::bigint - sum(age(xmin)))`;

const VERSIONS = `
  SELECT
    (SELECT ${contentOf('id, platform, name, engine, group_ids, tags')} FROM servers WHERE deleted_at IS NULL) AS servers,
    (SELECT ${ROWS} FROM databases) AS databases,
    (SELECT ${contentOf('id, name, enabled, method, databases, server_ids, server_groups, server_tags')} FROM plans WHERE deleted_at IS NULL) AS plans,
    (SELECT ${ROWS} FROM schedules) AS schedules,
    (SELECT ${ROWS} FROM protections WHERE organization_id = $1) AS kept`;
