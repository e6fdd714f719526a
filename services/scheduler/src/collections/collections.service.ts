import {
  RahatError,
  type ChangeCollectionPolicy,
  type CollectionPolicy,
  type Page,
  type PageQuery,
  type Principal,
  type Run,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { changesBetween, recordAct, type Expected, type ListPages } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import { mistaken } from '../input/mistake.js';
import { mistakesIn } from '../plans/schedule.js';
import type { Repositories } from '../runs/repositories.js';
import type { RunLedger } from '../runs/run-ledger.js';
import { presentRun } from '../runs/runs.table.js';
import {
  findCollectionPolicy,
  presentCollectionPolicy,
  rememberCollection,
  type CollectionPolicyRow,
} from './collection-policies.table.js';
import { activeCollectionOf, newCollection } from './start-due-collections.js';

/** When repositories are freed of what no snapshot needs. */
export class CollectionsService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly ledger: RunLedger,
    private readonly repositories: Repositories,
    private readonly pages: ListPages,
    private readonly clock: Clock,
  ) {}

  async list(principal: Principal, query: PageQuery): Promise<Page<CollectionPolicy>> {
    const [after = null] = this.pages.after(query.cursor);
    const rows = await this.database.inOrganization(principal, (transaction) =>
      transaction.query<CollectionPolicyRow>(
        `SELECT * FROM collection_policies WHERE $1::text IS NULL OR repository_id < $1 ORDER BY repository_id DESC LIMIT $2`,
        [after, query.limit + 1],
      ),
    );
    return this.pages.page(rows, query.limit, presentCollectionPolicy, (row) => [row.repository_id]);
  }

  async get(principal: Principal, repository: string): Promise<CollectionPolicy> {
    return this.database.inOrganization(principal, async (transaction) =>
      presentCollectionPolicy(await findCollectionPolicy(transaction, repository)),
    );
  }

  async change(principal: Principal, repository: string, change: ChangeCollectionPolicy, expected: Expected): Promise<CollectionPolicy> {
    return this.inRepository(principal, repository, async (transaction) => {
      const before = await findCollectionPolicy(transaction, repository);
      expected(presentCollectionPolicy(before));
      const {
        cron = before.cron,
        timeZone = before.time_zone,
        undoDays = before.undo_days,
        pool = before.pool,
        rewrite = before.rewrite,
      } = change;
      const mistakes = mistakesIn({ cron: cron ?? '0 4 * * *', timeZone }, this.clock.now());
      if (mistakes.length > 0) throw mistaken(...mistakes);
      await transaction.query(
        `UPDATE collection_policies SET cron = $2, time_zone = $3, undo_days = $4, pool = $5, rewrite = $6, replan = true WHERE repository_id = $1`,
        [repository, cron, timeZone, undoDays, pool, rewrite],
      );
      const policy = presentCollectionPolicy(await findCollectionPolicy(transaction, repository));
      await recordAct(this.outbox, transaction, principal, {
        action: 'collection.policy_changed',
        target: { kind: 'repository', id: repository },
        details: { ...changesBetween(presentCollectionPolicy(before), policy) },
      });
      return policy;
    });
  }

  async start(principal: Principal, repository: string): Promise<Run> {
    return this.inRepository(principal, repository, async (transaction) => {
      const active = await activeCollectionOf(transaction, repository);
      if (active)
        throw new RahatError('conflict', 'This repository is being collected already', { hint: `It is done by the run ${active.id}.` });
      const { organization } = principal;
      const run = await this.ledger.createDue(transaction, newCollection({ repository, organization }, 'person', this.clock.now()));
      await recordAct(this.outbox, transaction, principal, {
        action: 'collection.started',
        target: { kind: 'repository', id: repository },
        details: { run: run.id },
      });
      return presentRun(run);
    });
  }

  /** A repository that no plan stores into yet has no policy; the storage service knows whether there is such a one. */
  private async inRepository<T>(principal: Principal, repository: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const { organization } = principal;
    const known = await this.database.inOrganization(principal, (transaction) =>
      transaction.query(`SELECT 1 FROM collection_policies WHERE repository_id = $1`, [repository]),
    );
    if (known.length === 0) await this.repositories.grant(organization, repository, 'write-only');
    return this.database.inOrganization(principal, async (transaction) => {
      await rememberCollection(transaction, { id: repository, organization, timeZone: 'UTC' }, this.clock.now());
      // Of another organization's repository nothing was written, and nothing is found.
      await findCollectionPolicy(transaction, repository);
      await transaction.query(`SELECT 1 FROM collection_policies WHERE repository_id = $1 FOR UPDATE`, [repository]);
      return work(transaction);
    });
  }
}
