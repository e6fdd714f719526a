import {
  newId,
  RahatError,
  type CreatePlan,
  type Page,
  type PageQuery,
  type Plan,
  type Principal,
  type UpdatePlan,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { databasesOf, type DatabaseRow } from '../databases/databases.table.js';
import type { DiscoveryService } from '../databases/discovery.service.js';
import { mistaken } from '../input/mistake.js';
import type { ListPages } from '../paging/list-page.js';
import type { Repositories } from '../runs/repositories.js';
import { findServer, type ServerRow } from '../servers/servers.table.js';
import { recordAct } from '../trail/trail.js';
import { findPlan, presentPlan, type PlanRow } from './plans.table.js';
import { mistakesIn } from './schedule.js';

export class PlansService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly discovery: DiscoveryService,
    private readonly repositories: Repositories,
    private readonly pages: ListPages,
    private readonly clock: Clock,
  ) {}

  async create(principal: Principal, request: CreatePlan): Promise<Plan> {
    this.assertSchedule(request.cron, request.timeZone);
    const server = await this.serverOf(principal.organization, request.server);
    await this.assertRepository(principal.organization, request.repository);
    if (request.method === 'postgresql.logical') await this.assertDatabases(server, request.databases);
    return this.database.inOrganization(principal.organization, async (transaction) => {
      const row = await insertPlan(transaction, principal.organization, request, this.clock.now());
      await recordAct(this.outbox, transaction, principal, { action: 'plan.created', target: targetOf(row), details: { ...request } });
      return presentPlan(row, this.clock.now());
    });
  }

  async list(principal: Principal, query: PageQuery): Promise<Page<Plan>> {
    const [after = null] = this.pages.after(query.cursor);
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<PlanRow>(
        `SELECT * FROM plans WHERE deleted_at IS NULL AND ($1::text IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`,
        [after, query.limit + 1],
      ),
    );
    return this.pages.page(
      rows,
      query.limit,
      (row) => presentPlan(row, this.clock.now()),
      (row) => [row.id],
    );
  }

  async get(principal: Principal, id: string): Promise<Plan> {
    return presentPlan(
      await this.database.inOrganization(principal.organization, (transaction) => findPlan(transaction, id)),
      this.clock.now(),
    );
  }

  async update(principal: Principal, id: string, request: UpdatePlan): Promise<Plan> {
    const before = await this.database.inOrganization(principal.organization, (transaction) => findPlan(transaction, id));
    const cron = request.cron === undefined ? before.cron : request.cron;
    this.assertSchedule(cron ?? undefined, request.timeZone ?? before.time_zone);
    if (request.databases !== undefined && before.method === 'postgresql.logical') {
      await this.assertDatabases(await this.serverOf(principal.organization, before.server_id), request.databases);
    }
    return this.database.inOrganization(principal.organization, async (transaction) => {
      const current = await findPlan(transaction, id);
      if (request.name !== undefined && request.name.toLowerCase() !== current.name.toLowerCase())
        await assertNameFree(transaction, request.name);
      const [row] = await transaction.query<PlanRow>(
        // What lay in a pause, or in another schedule's past, was never expected: the ledger goes on from now.
        `UPDATE plans SET name = COALESCE($2, name), enabled = COALESCE($3, enabled), databases = COALESCE($4::jsonb, databases), cron = $5, time_zone = COALESCE($6, time_zone),
           catch_up = COALESCE($7, catch_up), keep_last = COALESCE($8, keep_last), keep_proven = COALESCE($9, keep_proven), verify = COALESCE($10::text[], verify),
           deep = COALESCE($11, deep), max_attempts = COALESCE($12, max_attempts), deadline_minutes = COALESCE($13, deadline_minutes), planned_until = $14, replan = true
         WHERE id = $1 RETURNING *`,
        [
          id,
          request.name ?? null,
          request.enabled ?? null,
          request.databases === undefined ? null : JSON.stringify(request.databases),
          cron,
          request.timeZone ?? null,
          request.catchUp ?? null,
          request.retention?.keepLast ?? null,
          request.retention?.keepProven ?? null,
          request.verify ?? null,
          request.deep ?? null,
          request.maxAttempts ?? null,
          request.deadlineMinutes ?? null,
          this.clock.now(),
        ],
      );
      await recordAct(this.outbox, transaction, principal, { action: 'plan.updated', target: targetOf(row!), details: { ...request } });
      return presentPlan(row!, this.clock.now());
    });
  }

  /** Its backups stay, and no retention touches them any more. */
  async remove(principal: Principal, id: string): Promise<void> {
    await this.database.inOrganization(principal.organization, async (transaction) => {
      const row = await findPlan(transaction, id);
      await transaction.query(`UPDATE plans SET deleted_at = $2, enabled = false, replan = true WHERE id = $1`, [id, this.clock.now()]);
      await recordAct(this.outbox, transaction, principal, { action: 'plan.deleted', target: targetOf(row) });
    });
  }

  private assertSchedule(cron: string | undefined, timeZone: string): void {
    const mistakes = mistakesIn({ cron: cron ?? '0 0 * * *', timeZone }, this.clock.now());
    if (mistakes.length > 0) throw mistaken(...mistakes);
  }

  private async serverOf(organization: string, id: string): Promise<ServerRow> {
    try {
      return await this.database.inOrganization(organization, (transaction) => findServer(transaction, id));
    } catch (error) {
      if (error instanceof RahatError && error.code === 'not_found') throw mistaken({ pointer: '/server', message: error.message });
      throw error;
    }
  }

  private async assertRepository(organization: string, id: string): Promise<void> {
    try {
      await this.repositories.grant(organization, id);
    } catch (error) {
      if (error instanceof RahatError && error.code === 'not_found')
        throw mistaken({ pointer: '/repository', message: `there is no repository ${id}` });
      throw error;
    }
  }

  /** A name that is not known yet may be new: the server is asked before it is refused. */
  private async assertDatabases(server: ServerRow, databases: 'all' | string[]): Promise<void> {
    let known = await this.database.inOrganization(server.organization_id, (transaction) => databasesOf(transaction, server.id));
    if (known.length === 0 || missingIn(known, databases).length > 0) known = await this.discovery.discoverOn(server);
    const missing = missingIn(known, databases);
    if (missing.length > 0)
      throw mistaken(
        ...missing.map(({ name, index }) => ({
          pointer: `/databases/${index}`,
          message: `there is no database '${name}' on ${server.name}`,
        })),
      );
  }
}

export async function insertPlan(transaction: Transaction, organization: string, request: CreatePlan, now: Date): Promise<PlanRow> {
  await assertNameFree(transaction, request.name);
  const [row] = await transaction.query<PlanRow>(
    `INSERT INTO plans (id, organization_id, name, server_id, method, databases, repository_id, cron, time_zone, catch_up, keep_last, keep_proven, verify, deep, max_attempts, deadline_minutes, planned_until)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING *`,
    [
      newId('plan'),
      organization,
      request.name,
      request.server,
      request.method,
      JSON.stringify(request.databases),
      request.repository,
      request.cron ?? null,
      request.timeZone,
      request.catchUp,
      request.retention.keepLast,
      request.retention.keepProven,
      request.verify,
      request.deep,
      request.maxAttempts,
      request.deadlineMinutes,
      now,
    ],
  );
  return row!;
}

function missingIn(known: DatabaseRow[], databases: 'all' | string[]): { name: string; index: number }[] {
  if (databases === 'all') return [];
  const present = new Set(known.filter((row) => !row.missing_since).map((row) => row.name));
  return databases.map((name, index) => ({ name, index })).filter(({ name }) => !present.has(name));
}

async function assertNameFree(transaction: Transaction, name: string): Promise<void> {
  const [other] = await transaction.query(`SELECT 1 FROM plans WHERE lower(name) = lower($1) AND deleted_at IS NULL`, [name]);
  if (other) throw new RahatError('conflict', `There is a plan named '${name}' already`);
}

function targetOf(row: PlanRow) {
  return { kind: 'plan', id: row.id, name: row.name };
}
