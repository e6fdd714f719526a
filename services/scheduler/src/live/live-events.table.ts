import type { Tenant, Transaction } from '@rahat/persistence';

/** How long a reader may have been away and still miss nothing. */
export const LIVE_EVENTS_KEPT_MS = 3_600_000;

export interface LiveEventRow {
  xid: string;
  id: string;
  type: string;
  data: object;
}

/**
 * A place in the events of an organization. Ids are given before a transaction commits, so a smaller one may come to light later; what is
 * read is only what is older than every transaction that still runs, in the order of transactions.
 */
export interface LivePosition {
  xid: bigint;
  id: bigint;
}

const LAST_ID = 2n ** 63n - 1n;
export const AT_ONCE = 500;

export async function recordLiveEvent(
  transaction: Transaction,
  event: { organization: string; type: string; data: object; of: { server?: string; backup?: string } },
): Promise<void> {
  await transaction.query(
    `INSERT INTO live_events (organization_id, type, data, server_id) VALUES ($1, $2, $3, COALESCE($4, (SELECT server_id FROM backups WHERE id = $5)))`,
    [event.organization, event.type, JSON.stringify(event.data), event.of.server ?? null, event.of.backup ?? null],
  );
}

/** The servers whose events the tenant of this transaction may hear; null: all of the organization's. */
export async function heardServers(transaction: Transaction, { serverGroups }: Tenant): Promise<ReadonlySet<string> | null> {
  if (serverGroups === null) return null;
  const rows = await transaction.query<{ id: string }>(`SELECT id FROM servers`);
  return new Set(rows.map(({ id }) => id));
}

/** Behind everything that can be read now. */
export async function currentPosition(transaction: Transaction): Promise<LivePosition> {
  const [row] = await transaction.query<{ xmin: string }>(`SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin`);
  return { xid: BigInt(row!.xmin) - 1n, id: LAST_ID };
}

export async function liveEventsAfter(transaction: Transaction, organization: string, { xid, id }: LivePosition): Promise<LiveEventRow[]> {
  return transaction.query<LiveEventRow>(
    `SELECT xid, id, type, data FROM live_events
     WHERE organization_id = $1 AND (xid, id) > ($2::bigint, $3::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
     ORDER BY xid, id LIMIT ${AT_ONCE}`,
    [organization, xid.toString(), id.toString()],
  );
}

export async function forgetOldLiveEvents(transaction: Transaction, before: Date): Promise<void> {
  await transaction.query(`DELETE FROM live_events WHERE at < $1`, [before]);
}

export function positionOf(row: LiveEventRow): LivePosition {
  return { xid: BigInt(row.xid), id: BigInt(row.id) };
}

export function isAfter(one: LivePosition, other: LivePosition): boolean {
  return one.xid > other.xid || (one.xid === other.xid && one.id > other.id);
}

/** As a reader gives it back with Last-Event-ID, with the time by which it is known whether everything since is still kept. */
export function encodePosition({ xid, id }: LivePosition, now: Date): string {
  return `${now.getTime()}-${xid}-${id}`;
}

/** undefined where it is none of ours, or older than what is kept. */
export function decodePosition(text: string, now: Date): LivePosition | undefined {
  const [, time, xid, id] = /^(\d{1,15})-(\d{1,19})-(\d{1,19})$/.exec(text) ?? [];
  if (time === undefined || Number(time) < now.getTime() - LIVE_EVENTS_KEPT_MS) return undefined;
  const position = { xid: BigInt(xid!), id: BigInt(id!) };
  return position.xid <= LAST_ID && position.id <= LAST_ID ? position : undefined;
}
