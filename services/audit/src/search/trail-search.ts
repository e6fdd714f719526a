import { RahatError, type AuditEntry, type AuditQuery, type Page } from '@rahat/contracts';
import type { ServiceDatabase } from '@rahat/persistence';
import type { Cursors } from '@rahat/service-kit';
import { z } from 'zod';
import { presentEntry, type StoredRow } from '../entries/audit-entries.table.js';

const Position = z.tuple([z.literal('audit'), z.number().int()]);
// eslint-disable-next-line no-control-regex
const SEPARATORS = /[\u0000-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007f]+/;
const MOST_WORDS = 10;
/** Sorts behind every character that an action may have. */
const BEHIND = '~';

/** Entries of the trail, newest first, by what they say. */
export class TrailSearch {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly cursors: Cursors,
  ) {}

  async list(organization: string, query: AuditQuery): Promise<Page<AuditEntry>> {
    const before = query.cursor === undefined ? undefined : this.cursors.decode(query.cursor, Position)[1];
    const { sql, values } = pageOfTrail(organization, query, before);
    // Row security would keep the planner from the index of words, so the system role looks for the places; what is shown is read under it.
    const places = await this.database.asSystem('find audit entries of an organization', (transaction) =>
      transaction.query<{ sequence: string }>(sql, values),
    );
    const rows = await this.database.inOrganization(organization, (transaction) =>
      transaction.query<StoredRow>(
        `SELECT sequence, content, hash FROM audit_entries WHERE organization_id = $1 AND sequence = ANY ($2::bigint[]) ORDER BY sequence DESC`,
        [organization, places.slice(0, query.limit).map(({ sequence }) => sequence)],
      ),
    );
    const hasMore = places.length > query.limit;
    return {
      data: rows.map(presentEntry),
      page: { nextCursor: hasMore ? this.cursors.encode(['audit', Number(rows.at(-1)!.sequence)]) : null, hasMore },
    };
  }

  async get(organization: string, sequence: number): Promise<AuditEntry> {
    const [row] = await this.database.inOrganization(organization, (transaction) =>
      transaction.query<StoredRow>(`SELECT sequence, content, hash FROM audit_entries WHERE organization_id = $1 AND sequence = $2`, [
        organization,
        sequence,
      ]),
    );
    if (row === undefined) throw new RahatError('not_found', `There is no entry ${sequence} in the audit trail.`);
    return presentEntry(row);
  }
}

/** The places of one page, and whether there is more. */
export function pageOfTrail(organization: string, query: AuditQuery, before?: number): { sql: string; values: unknown[] } {
  const values: unknown[] = [organization];
  const conditions = ['organization_id = $1'];
  const where = (condition: string, ...given: unknown[]) => {
    if (given.some((value) => value === undefined)) return;
    let next = values.length;
    conditions.push(condition.replaceAll('?', () => `$${(next += 1)}`));
    values.push(...given);
  };
  where('sequence < ?', before);
  where('actor_id = ?', query.actor);
  where('(action >= ? AND action < ?)', query.action, query.action && query.action + BEHIND);
  where('target_kind = ?', query.targetKind);
  where('target_id = ?', query.target);
  where('address = ?', query.address);
  where('request_id = ?', query.request);
  where('at >= ?', query.from);
  where('at < ?', query.to);
  if (query.q !== undefined) {
    const words = query.q.split(SEPARATORS).filter((word) => word !== '');
    if (words.length === 0) conditions.push('false');
    where(
      `search @@ to_tsquery('simple', ?)`,
      words
        .slice(0, MOST_WORDS)
        .map((word) => `${word}:*`)
        .join(' & ') || undefined,
    );
  }
  return {
    sql: `SELECT sequence FROM audit_entries WHERE ${conditions.join(' AND ')} ORDER BY sequence DESC LIMIT ${query.limit + 1}`,
    values,
  };
}
