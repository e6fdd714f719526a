import { RahatError, type Annotate, type Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import { recordAct } from '../trail/trail.js';

type Kind = 'server' | 'plan' | 'run' | 'backup';
const TABLES = { server: 'servers', plan: 'plans', run: 'runs', backup: 'backups' } as const;
const DELETABLE: ReadonlySet<Kind> = new Set(['server', 'plan']);

/** What people write on things; nothing is decided by it. Tags of servers and plans do decide, and are changed with them. */
export class AnnotationsService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
  ) {}

  async annotate(principal: Principal, kind: Kind, id: string, { tags, note }: Annotate): Promise<void> {
    await this.database.inOrganization(principal.organization, async (transaction) => {
      const there = DELETABLE.has(kind) ? 'AND deleted_at IS NULL' : '';
      const changed = await transaction.query(
        `UPDATE ${TABLES[kind]} SET note = COALESCE($2, note), tags = COALESCE($3::text[], tags) WHERE id = $1 ${there} RETURNING id`,
        [id, note ?? null, tags ? [...new Set(tags)] : null],
      );
      if (changed.length === 0) throw new RahatError('not_found', `There is no ${kind} ${id}`);
      await recordAct(this.outbox, transaction, principal, {
        action: `${kind}.annotated`,
        target: { kind, id },
        details: { ...(tags ? { tags } : {}), ...(note === undefined ? {} : { note }) },
      });
    });
  }
}
