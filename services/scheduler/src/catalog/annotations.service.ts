import { RahatError, type Annotate, type Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { changesBetween, recordAct, type Expected } from '@rahat/service-kit';

type Kind = 'server' | 'plan' | 'run' | 'backup';
const TABLES = { server: 'servers', plan: 'plans', run: 'runs', backup: 'backups' } as const;
const DELETABLE: ReadonlySet<Kind> = new Set(['server', 'plan']);

interface Annotated {
  tags: string[];
  note: string;
}

interface Target {
  kind: Kind;
  id: string;
  /** As its editor saw it. */
  shown(transaction: Transaction): Promise<object>;
}

/** What people write on things; nothing is decided by it. Tags of servers and plans do decide, and are changed with them. */
export class AnnotationsService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
  ) {}

  async annotate(principal: Principal, { kind, id, shown }: Target, { tags, note }: Annotate, expected: Expected): Promise<void> {
    await this.database.inOrganization(principal, async (transaction) => {
      const there = DELETABLE.has(kind) ? 'AND deleted_at IS NULL' : '';
      const [before] = await transaction.query<Annotated>(`SELECT tags, note FROM ${TABLES[kind]} WHERE id = $1 ${there} FOR UPDATE`, [id]);
      if (!before) throw new RahatError('not_found', `There is no ${kind} ${id}`);
      expected(await shown(transaction));
      const [after] = await transaction.query<Annotated>(
        `UPDATE ${TABLES[kind]} SET note = COALESCE($2, note), tags = COALESCE($3::text[], tags) WHERE id = $1 RETURNING tags, note`,
        [id, note ?? null, tags ? [...new Set(tags)] : null],
      );
      await recordAct(this.outbox, transaction, principal, {
        action: `${kind}.annotated`,
        target: { kind, id },
        details: { ...changesBetween(before, after) },
      });
    });
  }
}
