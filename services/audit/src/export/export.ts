import { signHead, type ExportedLine, type Link, type StoredEntry } from '@rahat/audit-trail';
import { RahatError, type ExportAudit, type Principal } from '@rahat/contracts';
import type { ServiceDatabase } from '@rahat/persistence';
import { entriesAfter, presentEntry, storedEntry, type StoredRow } from '../entries/audit-entries.table.js';
import type { TrailService } from '../entries/trail.service.js';
import type { SigningKeys } from '../heads/signing-keys.js';
import { csvLine } from './csv.js';

const AT_ONCE = 500;
const COLUMNS = [
  'sequence',
  'at',
  'action',
  'actor_kind',
  'actor_id',
  'actor_name',
  'address',
  'target_kind',
  'target_id',
  'target_name',
  'before',
  'after',
  'details',
  'request',
  'id',
  'previous_hash',
  'hash',
  'signed_head',
];

/** The trail as a file that can be checked without us: pages of the chain in its order, however long it is. */
export class Export {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly trail: TrailService,
    private readonly keys: SigningKeys,
  ) {}

  /** The export is itself an act, and the last entry that it contains. */
  async open(principal: Principal, { format, after }: ExportAudit): Promise<AsyncIterable<string>> {
    const { organization } = principal;
    const startsAfter = after === 0 ? null : await this.linkAt(organization, after);
    const last = await this.database.inOrganization(organization, (transaction) =>
      this.trail.appendAct(transaction, principal, { action: 'audit.exported', details: { format, after } }),
    );
    return format === 'csv' ? this.csv(organization, after, last) : this.lines(organization, startsAfter, last);
  }

  private async linkAt(organization: string, sequence: number): Promise<Link> {
    const [row] = await this.database.inOrganization(organization, (transaction) =>
      transaction.query<StoredRow>(`SELECT sequence, content, hash FROM audit_entries WHERE organization_id = $1 AND sequence = $2`, [
        organization,
        sequence,
      ]),
    );
    if (row === undefined) throw new RahatError('invalid_input', `There is no entry ${sequence} to go on from.`);
    return { sequence, hash: row.hash };
  }

  private async *lines(organization: string, startsAfter: Link | null, last: StoredEntry): AsyncGenerator<string> {
    const line = (value: ExportedLine) => `${JSON.stringify(value)}\n`;
    const { keys } = await this.keys.jwks();
    const exportedAt = new Date();
    yield line({
      type: 'trail',
      format: 1,
      organization,
      exportedAt: exportedAt.toISOString(),
      startsAfter,
      keys: keys as Extract<ExportedLine, { type: 'trail' }>['keys'],
    });
    let entries = 0;
    for await (const row of this.rows(organization, startsAfter?.sequence ?? 0, last.sequence)) {
      entries += 1;
      yield line({ type: 'entry', ...storedEntry(row), head: row.signed ?? null });
    }
    yield line({ type: 'end', entries, head: await signHead(organization, last, await this.keys.signer(), exportedAt) });
  }

  private async *csv(organization: string, after: number, last: StoredEntry): AsyncGenerator<string> {
    yield csvLine(COLUMNS);
    const signedEnd = await signHead(organization, last, await this.keys.signer(), new Date());
    for await (const row of this.rows(organization, after, last.sequence)) {
      const entry = presentEntry(row);
      yield csvLine([
        entry.sequence,
        entry.at,
        entry.action,
        entry.actor.kind,
        entry.actor.id,
        entry.actor.name,
        entry.actor.address,
        entry.target.kind,
        entry.target.id,
        entry.target.name,
        jsonOrNull(entry.before),
        jsonOrNull(entry.after),
        JSON.stringify(entry.details),
        entry.request,
        entry.id,
        entry.previousHash,
        entry.hash,
        entry.sequence === last.sequence ? signedEnd : (row.signed ?? null),
      ]);
    }
  }

  /** Each page is a transaction of its own: a slow reader holds none open. */
  private async *rows(organization: string, after: number, through: number): AsyncGenerator<StoredRow> {
    for (let last = after; last < through;) {
      const rows = await this.database.inOrganization(organization, (transaction) =>
        entriesAfter(transaction, organization, last, AT_ONCE),
      );
      if (rows.length === 0) return;
      for (const row of rows) if (Number(row.sequence) <= through) yield row;
      last = Number(rows.at(-1)!.sequence);
    }
  }
}

function jsonOrNull(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}
