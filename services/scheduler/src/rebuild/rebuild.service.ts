import { RahatError, type KnownPlaces, type Principal, type RebuildCatalog, type Run } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import type { Places } from '../documents/places.js';
import type { RunLedger } from '../runs/run-ledger.js';
import { presentRun, type RunRow } from '../runs/runs.table.js';
import { newRebuild } from './new-rebuild.js';

/** Makes the catalog anew from the repositories alone: each is read by a run of its own. */
export class RebuildService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly ledger: RunLedger,
    private readonly places: Pick<Places, 'known'>,
    private readonly clock: Clock,
  ) {}

  /** One that is under way already is the answer for its repository. */
  async start(principal: Principal, { repository, dryRun }: RebuildCatalog): Promise<Run[]> {
    const { organization } = principal;
    const { repositories } = await this.places.known(organization);
    const wanted = repositories.filter(({ id }) => repository === undefined || id === repository);
    if (wanted.length === 0)
      throw repository === undefined
        ? new RahatError('conflict', 'There is no repository that a catalog could be made from', { hint: 'Add its storage first.' })
        : new RahatError('not_found', `There is no repository ${repository}`);
    return this.database.inOrganization(principal, async (transaction) => {
      // Two requests at once wait for each other; the second one then sees the runs of the first.
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`rahat.scheduler.rebuild.${organization}`]);
      const runs: RunRow[] = [];
      for (const one of wanted) runs.push(await this.startOne(transaction, organization, one, dryRun));
      await recordAct(this.outbox, transaction, principal, {
        action: dryRun ? 'catalog.comparison_started' : 'catalog.rebuild_started',
        target: { kind: 'organization', id: organization },
        details: { repositories: wanted.map(({ id }) => id), runs: runs.map(({ id }) => id) },
      });
      return runs.map(presentRun);
    });
  }

  private async startOne(
    transaction: Transaction,
    organization: string,
    { id: repository, attachedAt }: KnownPlaces['repositories'][number],
    dryRun: boolean,
  ): Promise<RunRow> {
    const [active] = await transaction.query<RunRow>(
      `SELECT * FROM runs WHERE type = 'rebuild' AND repository_id = $1 AND state IN ('due', 'queued', 'running')`,
      [repository],
    );
    if (active && active.dry_run !== dryRun)
      throw new RahatError('conflict', 'This repository is being read for the catalog already', {
        hint: `It is done by the run ${active.id}.`,
      });
    if (active) return active;
    const wanted = { organization, repository, cause: 'person' as const, dryRun, attachedAt: attachedAt ? new Date(attachedAt) : null };
    return this.ledger.createDue(transaction, await newRebuild(transaction, wanted, this.clock.now()));
  }
}
