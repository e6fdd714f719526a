import { CUT_ACTION, signCut } from '@rahat/audit-trail';
import type { AuditRetention, Principal } from '@rahat/contracts';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { whatever, type Expected } from '@rahat/service-kit';
import { lockChain } from '../entries/audit-entries.table.js';
import type { TrailService } from '../entries/trail.service.js';
import type { SigningKeys } from '../heads/signing-keys.js';

/** A cut is one statement, and ends within a statement's time. */
const MOST_AT_ONCE = 20_000;

/** How long an organization keeps its trail. What is dropped leaves a signed mark, so that the rest stays verifiable. */
export class Retention {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly trail: TrailService,
    private readonly keys: SigningKeys,
  ) {}

  async get(organization: string): Promise<AuditRetention> {
    return this.database.inOrganization(organization, (transaction) => policyOf(transaction, organization));
  }

  async set(principal: Principal, { keepDays }: AuditRetention, expected: Expected = whatever): Promise<AuditRetention> {
    const { organization } = principal;
    return this.database.inOrganization(organization, async (transaction) => {
      await lockChain(transaction, organization);
      const before = await policyOf(transaction, organization);
      expected(before);
      if (before.keepDays === keepDays) return before;
      await transaction.query(
        `INSERT INTO audit_retention (organization_id, keep_days) VALUES ($1, $2)
         ON CONFLICT (organization_id) DO UPDATE SET keep_days = EXCLUDED.keep_days, changed_at = now()`,
        [organization, keepDays],
      );
      await this.trail.appendAct(transaction, principal, {
        action: 'audit.retention_changed',
        details: { before: { keepDays: before.keepDays }, after: { keepDays } },
      });
      return { keepDays };
    });
  }

  /** Of all organizations with a policy. */
  async dropWhatIsOld(): Promise<void> {
    const organizations = await this.database.asSystem('find trails that are not kept for ever', (transaction) =>
      transaction.query<{ organization_id: string }>(`SELECT organization_id FROM audit_retention WHERE keep_days IS NOT NULL`),
    );
    for (const { organization_id } of organizations) while ((await this.dropOldest(organization_id)) === MOST_AT_ONCE);
  }

  /** Gives how many entries were dropped. */
  private async dropOldest(organization: string): Promise<number> {
    const signer = await this.keys.signer();
    return this.database.inOrganization(organization, async (transaction) => {
      await lockChain(transaction, organization);
      const { keepDays } = await policyOf(transaction, organization);
      if (keepDays === null) return 0;
      const cut = await lastToDrop(transaction, organization, keepDays);
      if (cut === undefined) return 0;
      const link = { sequence: Number(cut.sequence), hash: cut.hash };
      const at = new Date();
      await this.trail.append(transaction, {
        organization,
        actor: { kind: 'system', id: 'audit', name: 'audit' },
        action: CUT_ACTION,
        target: { kind: 'audit', id: organization },
        details: { through: link.sequence, hash: link.hash, keepDays, mark: await signCut(organization, link, signer, at) },
        at: at.toISOString(),
      });
      const [row] = await transaction.query<{ dropped: string }>(`SELECT drop_audit_entries($1, $2) AS dropped`, [
        organization,
        link.sequence,
      ]);
      return Number(row!.dropped);
    });
  }
}

async function policyOf(transaction: Transaction, organization: string): Promise<AuditRetention> {
  const [row] = await transaction.query<{ keep_days: number | null }>(`SELECT keep_days FROM audit_retention WHERE organization_id = $1`, [
    organization,
  ]);
  return { keepDays: row?.keep_days ?? null };
}

/** The entries come in the order in which they were recorded, so the old ones are a beginning of the chain. */
async function lastToDrop(
  transaction: Transaction,
  organization: string,
  keepDays: number,
): Promise<{ sequence: string; hash: string } | undefined> {
  const [row] = await transaction.query<{ sequence: string; hash: string }>(
    `SELECT sequence, hash FROM (
       SELECT sequence, hash, recorded_at FROM audit_entries WHERE organization_id = $1 ORDER BY sequence LIMIT $2) AS oldest
     WHERE sequence < (SELECT coalesce(min(sequence), 9223372036854775807) FROM audit_entries
       WHERE organization_id = $1 AND recorded_at >= clock_timestamp() - make_interval(days => $3))
     ORDER BY sequence DESC LIMIT 1`,
    [organization, MOST_AT_ONCE, keepDays],
  );
  return row;
}
