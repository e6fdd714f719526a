import { ChainedEntry, GENESIS_HASH, type Link, type StoredEntry } from '@rahat/audit-trail';
import type { AuditEntry } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';

/** bigint comes as text from the driver. */
export interface StoredRow {
  sequence: string | number;
  content: string;
  hash: string;
  /** The head that was signed at this entry, where asked for. */
  signed?: string | null;
}

export async function endOfChain(transaction: Transaction, organization: string): Promise<Link> {
  const [row] = await transaction.query<StoredRow>(
    `SELECT sequence, hash FROM audit_entries WHERE organization_id = $1 ORDER BY sequence DESC LIMIT 1`,
    [organization],
  );
  return row === undefined ? { sequence: 0, hash: GENESIS_HASH } : { sequence: Number(row.sequence), hash: row.hash };
}

/** One writer per organization at a time, so that each entry follows the one before it. Held until the transaction ends. */
export async function lockChain(transaction: Transaction, organization: string): Promise<void> {
  await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.audit.' || $1::text, 0))`, [organization]);
}

export async function insertEntry(transaction: Transaction, organization: string, entry: StoredEntry): Promise<void> {
  await transaction.query(`INSERT INTO audit_entries (organization_id, sequence, content, hash) VALUES ($1, $2, $3, $4)`, [
    organization,
    entry.sequence,
    entry.content,
    entry.hash,
  ]);
}

/** A page of the chain in its order, each entry with the head that was signed at it. */
export async function entriesAfter(transaction: Transaction, organization: string, sequence: number, limit: number): Promise<StoredRow[]> {
  return transaction.query<StoredRow>(
    `SELECT e.sequence, e.content, e.hash, h.signed FROM audit_entries e
     LEFT JOIN audit_heads h ON h.organization_id = e.organization_id AND h.sequence = e.sequence
     WHERE e.organization_id = $1 AND e.sequence > $2 ORDER BY e.sequence LIMIT $3`,
    [organization, sequence, limit],
  );
}

export function storedEntry(row: StoredRow): StoredEntry {
  return { sequence: Number(row.sequence), content: row.content, hash: row.hash };
}

export function presentEntry(row: StoredRow): AuditEntry {
  const { id, sequence, at, actor, action, target, request, previousHash, details } = ChainedEntry.parse(JSON.parse(row.content));
  const { before, after, ...rest } = details;
  return {
    id,
    sequence,
    at,
    actor,
    action,
    target,
    before: recordOrNull(before),
    after: recordOrNull(after),
    details: rest,
    request,
    previousHash,
    hash: row.hash,
  };
}

function recordOrNull(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
}
