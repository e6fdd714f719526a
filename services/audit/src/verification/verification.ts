import { notedHeads, TrailCheck } from '@rahat/audit-trail';
import type { AuditVerification } from '@rahat/contracts';
import type { ServiceDatabase } from '@rahat/persistence';
import { entriesAfter, storedEntry } from '../entries/audit-entries.table.js';
import type { SigningKeys } from '../heads/signing-keys.js';

const AT_ONCE = 1_000;

/** Recomputes the whole chain from its first entry on and holds it against every signed head. */
export class Verification {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly keys: SigningKeys,
  ) {}

  async verify(organization: string, noted: readonly string[] = []): Promise<AuditVerification> {
    const keys = await this.keys.publicKeys();
    const check = new TrailCheck({ organization, keys, noted: await notedHeads(organization, noted, keys) });
    // Read before the entries: one that is signed meanwhile is no sign of a cut.
    const lastHead = await this.lastHeadOf(organization);
    for (let last = 0, more = true; more;) {
      const rows = await this.database.inOrganization(organization, (transaction) =>
        entriesAfter(transaction, organization, last, AT_ONCE),
      );
      more = rows.length === AT_ONCE;
      for (const row of rows) {
        if (await check.entry(storedEntry(row), row.signed)) continue;
        more = false;
        break;
      }
      last = Number(rows.at(-1)?.sequence ?? last);
    }
    const { head, ...verdict } = check.end(lastHead);
    return { ...verdict, head: head?.hash ?? null, sequence: head?.sequence ?? 0 };
  }

  private async lastHeadOf(organization: string): Promise<number | undefined> {
    const [row] = await this.database.inOrganization(organization, (transaction) =>
      transaction.query<{ sequence: string | null }>(`SELECT max(sequence) AS sequence FROM audit_heads WHERE organization_id = $1`, [
        organization,
      ]),
    );
    return row?.sequence == null ? undefined : Number(row.sequence);
  }
}
