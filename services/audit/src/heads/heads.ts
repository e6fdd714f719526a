import { HEAD_EVERY, signHead, type Link } from '@rahat/audit-trail';
import type { AuditHead, Page, PageQuery } from '@rahat/contracts';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Cursors } from '@rahat/service-kit';
import { z } from 'zod';
import { endOfChain } from '../entries/audit-entries.table.js';
import type { SigningKeys } from './signing-keys.js';

const Position = z.tuple([z.literal('audit-heads'), z.number().int()]);

/** Signed heads: so the trail stood. Every `HEAD_EVERY` entries with the entry itself, and when entries have stood without one for a while. */
export class Heads {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly keys: SigningKeys,
    private readonly cursors: Cursors,
  ) {}

  /** In the transaction of the entry. */
  async signIfDue(transaction: Transaction, organization: string, link: Link): Promise<void> {
    if (link.sequence % HEAD_EVERY === 0) await this.sign(transaction, organization, link);
  }

  async sign(transaction: Transaction, organization: string, link: Link): Promise<string> {
    const at = new Date();
    const signed = await signHead(organization, link, await this.keys.signer(), at);
    await transaction.query(
      `INSERT INTO audit_heads (organization_id, sequence, signed, signed_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
      [organization, link.sequence, signed, at],
    );
    return signed;
  }

  /** The end of the trail as it stands, signed; undefined while there is no entry. */
  async signEnd(organization: string): Promise<AuditHead | undefined> {
    return this.database.inOrganization(organization, async (transaction) => {
      const end = await endOfChain(transaction, organization);
      if (end.sequence === 0) return undefined;
      await this.sign(transaction, organization, end);
      const [row] = await transaction.query<HeadRow>(`SELECT sequence, signed, signed_at FROM audit_heads WHERE sequence = $1`, [
        end.sequence,
      ]);
      return presentHead(row!);
    });
  }

  /** Of all organizations with an entry that has stood for longer than `minutes` without a head behind it. */
  async signWhatStands(minutes: number): Promise<void> {
    const due = await this.database.asSystem('find trails whose end is not signed', (transaction) =>
      transaction.query<{ organization_id: string }>(
        // Organizations are few and entries many: one step in the index for each organization.
        `WITH RECURSIVE trails AS (
           (SELECT organization_id FROM audit_entries ORDER BY organization_id LIMIT 1)
           UNION ALL
           SELECT (SELECT e.organization_id FROM audit_entries e WHERE e.organization_id > t.organization_id ORDER BY e.organization_id LIMIT 1)
           FROM trails t WHERE t.organization_id IS NOT NULL)
         SELECT t.organization_id FROM trails t, LATERAL (
           SELECT recorded_at FROM audit_entries e WHERE e.organization_id = t.organization_id AND e.sequence >
             coalesce((SELECT max(h.sequence) FROM audit_heads h WHERE h.organization_id = t.organization_id), 0)
           ORDER BY e.sequence LIMIT 1) AS unsigned
         WHERE unsigned.recorded_at <= clock_timestamp() - make_interval(secs => $1)`,
        [minutes * 60],
      ),
    );
    for (const { organization_id } of due) await this.signEnd(organization_id);
  }

  async list(organization: string, page: PageQuery): Promise<Page<AuditHead>> {
    const before = page.cursor === undefined ? null : this.cursors.decode(page.cursor, Position)[1];
    const rows = await this.database.inOrganization(organization, (transaction) =>
      transaction.query<HeadRow>(
        `SELECT sequence, signed, signed_at FROM audit_heads WHERE organization_id = $1 AND ($2::bigint IS NULL OR sequence < $2) ORDER BY sequence DESC LIMIT $3`,
        [organization, before, page.limit + 1],
      ),
    );
    const data = rows.slice(0, page.limit).map(presentHead);
    const hasMore = rows.length > page.limit;
    return { data, page: { nextCursor: hasMore ? this.cursors.encode(['audit-heads', data.at(-1)!.sequence]) : null, hasMore } };
  }
}

interface HeadRow {
  sequence: string | number;
  signed: string;
  signed_at: Date;
}

function presentHead(row: HeadRow): AuditHead {
  return { sequence: Number(row.sequence), signed: row.signed, signedAt: row.signed_at.toISOString() };
}
