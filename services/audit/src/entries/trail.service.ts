import { newId, type AuditEntry, type AuditVerification, type EventPayload, type Page, type PageQuery } from '@rahat/contracts';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Cursors } from '@rahat/service-kit';
import { z } from 'zod';
import { ChainedEntry, faultOfLink, GENESIS_HASH, sealEntry, type StoredEntry } from './chain.js';
import { withoutSecrets } from './redaction.js';

type Recorded = EventPayload<'audit.recorded.v1'>;
const Position = z.tuple([z.literal('audit'), z.number().int()]);
const VERIFY_AT_ONCE = 1_000;

/** The organization's append-only, hash-chained trail. */
export class TrailService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly cursors: Cursors,
  ) {}

  /** In the transaction in which the message was recorded as processed: an entry is made once. */
  async append(transaction: Transaction, recorded: Recorded): Promise<void> {
    // One writer per organization at a time, so that each entry follows the one before it.
    await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.audit.' || $1::text, 0))`, [recorded.organization]);
    const last = await headOf(transaction, recorded.organization);
    const entry = sealEntry({
      organization: recorded.organization,
      sequence: last.sequence + 1,
      previousHash: last.hash,
      id: newId('auditEntry'),
      at: recorded.at,
      actor: { ...recorded.actor, address: recorded.actor.address ?? null },
      action: recorded.action,
      target: { ...recorded.target, name: recorded.target.name ?? null },
      details: withoutSecrets(recorded.details) as Record<string, unknown>,
      request: recorded.request ?? null,
    });
    await transaction.query(`INSERT INTO audit_entries (organization_id, sequence, content, hash) VALUES ($1, $2, $3, $4)`, [
      recorded.organization,
      entry.sequence,
      entry.content,
      entry.hash,
    ]);
  }

  async list(organization: string, page: PageQuery): Promise<Page<AuditEntry>> {
    const before = page.cursor === undefined ? null : this.cursors.decode(page.cursor, Position)[1];
    const rows = await this.database.inOrganization(organization, (transaction) =>
      transaction.query<StoredRow>(
        `SELECT sequence, content, hash FROM audit_entries WHERE organization_id = $1 AND ($2::bigint IS NULL OR sequence < $2) ORDER BY sequence DESC LIMIT $3`,
        [organization, before, page.limit + 1],
      ),
    );
    const data = rows.slice(0, page.limit).map(present);
    const hasMore = rows.length > page.limit;
    return { data, page: { nextCursor: hasMore ? this.cursors.encode(['audit', data.at(-1)!.sequence]) : null, hasMore } };
  }

  /**
   * Recomputes every hash from the first entry on and stops at the first broken link. An end that was cut off leaves a
   * whole chain: only `knownHead`, noted elsewhere before, tells.
   */
  async verify(organization: string, knownHead: string = GENESIS_HASH): Promise<AuditVerification> {
    let before = { sequence: 0, hash: GENESIS_HASH };
    let headFound = knownHead === GENESIS_HASH;
    for (;;) {
      const rows = await this.entriesAfter(organization, before.sequence);
      for (const row of rows) {
        const stored = storedEntry(row);
        const reason = faultOfLink(stored, before, organization);
        if (reason !== undefined) return brokenAfter(before, reason);
        before = stored;
        headFound ||= stored.hash === knownHead;
      }
      if (rows.length < VERIFY_AT_ONCE) break;
    }
    if (!headFound)
      return brokenAfter(before, 'The entry with the noted head is no longer there: the end of the trail was cut off or replaced.');
    return { intact: true, entries: before.sequence, head: headHash(before), brokenAt: null, reason: null };
  }

  private async entriesAfter(organization: string, sequence: number): Promise<StoredRow[]> {
    return this.database.inOrganization(organization, (transaction) =>
      transaction.query<StoredRow>(
        `SELECT sequence, content, hash FROM audit_entries WHERE organization_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3`,
        [organization, sequence, VERIFY_AT_ONCE],
      ),
    );
  }
}

interface Link {
  sequence: number;
  hash: string;
}

function brokenAfter(last: Link, reason: string): AuditVerification {
  return { intact: false, entries: last.sequence, head: headHash(last), brokenAt: last.sequence + 1, reason };
}

function headHash(last: Link): string | null {
  return last.sequence === 0 ? null : last.hash;
}

/** bigint comes as text from the driver. */
interface StoredRow {
  sequence: string | number;
  content: string;
  hash: string;
}

async function headOf(transaction: Transaction, organization: string): Promise<{ sequence: number; hash: string }> {
  const [row] = await transaction.query<StoredRow>(
    `SELECT sequence, content, hash FROM audit_entries WHERE organization_id = $1 ORDER BY sequence DESC LIMIT 1`,
    [organization],
  );
  return row === undefined ? { sequence: 0, hash: GENESIS_HASH } : storedEntry(row);
}

function storedEntry(row: StoredRow): StoredEntry {
  return { sequence: Number(row.sequence), content: row.content, hash: row.hash };
}

function present(row: StoredRow): AuditEntry {
  const { id, sequence, at, actor, action, target, details, previousHash } = ChainedEntry.parse(JSON.parse(row.content));
  return { id, sequence, at, actor, action, target, details, previousHash, hash: row.hash };
}
