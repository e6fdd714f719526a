import {
  newId,
  RahatError,
  type CreatePlan,
  type DatabaseSelection,
  type HookInput,
  type Page,
  type PausePlan,
  type Plan,
  type PlanQuery,
  type Principal,
  type ServerSelection,
  type UpdatePlan,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { changesBetween, recordAct, whatever, type Expected, type ListPages } from '@rahat/service-kit';
import { foundIds, ListConditions } from '../catalog/found-ids.js';
import type { Clock } from '../clock/clock.js';
import { databasesOf, missingIn } from '../databases/databases.table.js';
import type { DiscoveryService } from '../databases/discovery.service.js';
import { mistaken } from '../input/mistake.js';
import type { Repositories } from '../runs/repositories.js';
import { assertGroups } from '../servers/server-groups.table.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import { findServer, type ServerRow } from '../servers/servers.table.js';
import {
  assertAssertions,
  assertContinuousLog,
  assertVerificationSchedules,
  assertWindows,
  assertWithinGroups,
  refuseHooksOfLimited,
  schedulesIn,
  serversIn,
} from './plan-input.js';
import { storedHooks, type StoredHook } from './plan-hooks.js';
import type { PlanPauses } from './plan-pauses.js';
import { changePlan, changesOf, insertPlan } from './plan-rows.js';
import { coversWholeServer, findPlan, presentPlan, type PlanRow } from './plans.table.js';
import { inputOf, schedulesOf, schedulesOfPlan } from './schedules.table.js';

export class PlansService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly discovery: DiscoveryService,
    private readonly repositories: Repositories,
    private readonly pauses: PlanPauses,
    private readonly secrets: ServerSecrets,
    private readonly pages: ListPages,
    private readonly clock: Clock,
  ) {}

  async create(principal: Principal, request: CreatePlan): Promise<Plan> {
    const { organization } = principal;
    const now = this.clock.now();
    const servers = serversIn(request);
    // Without a cron the default zone asks for nothing.
    const schedules =
      schedulesIn({ ...request, timeZone: request.schedules ? undefined : request.timeZone }, [], request.method, now) ?? [];
    assertWindows(request.blackouts);
    assertVerificationSchedules(request.verifySchedules, now);
    assertAssertions(request.assertions, request.method);
    assertContinuousLog(request.continuousLog, request.method);
    refuseHooksOfLimited(principal, request.hooks);
    await this.assertServers(principal, servers, request.server === undefined ? '/servers/servers/' : '/server');
    await this.assertRepository(organization, request.repository);
    if (!coversWholeServer(request)) await this.assertDatabases(principal, servers, request.databases);
    return this.database.inOrganization(principal, async (transaction) => {
      const { server: _server, cron: _cron, timeZone: _timeZone, hooks, ...content } = request;
      const id = newId('plan');
      const written = await insertPlan(
        transaction,
        organization,
        { ...content, servers, schedules, hooks: this.sealed(hooks, [], organization, id) },
        now,
        id,
      );
      const plan = presentPlan(written.row, written.schedules, now);
      await recordAct(this.outbox, transaction, principal, {
        action: 'plan.created',
        target: targetOf(written.row),
        details: { ...changesBetween(undefined, plan, { hookAuthorization: givesAuthorization(hooks) }) },
      });
      return plan;
    });
  }

  async list(principal: Principal, query: PlanQuery): Promise<Page<Plan>> {
    const [after] = this.pages.after(query.cursor);
    const conditions = new ListConditions(principal)
      .where('deleted_at IS NULL')
      .where('id < ?', after)
      .where('server_ids @> ARRAY[?]', query.server)
      .where('server_groups @> ARRAY[?]', query.group)
      .tagged(query.tag)
      .searched(query.q);
    const ids = await foundIds(this.database, 'plans', conditions, { order: 'id DESC', limit: query.limit + 1 });
    return this.database.inOrganization(principal, async (transaction) => {
      const rows = await transaction.query<PlanRow>(`SELECT * FROM plans WHERE id = ANY ($1::text[]) ORDER BY id DESC`, [ids]);
      const schedules = await schedulesOf(transaction.last, rows);
      return this.pages.page(
        rows,
        query.limit,
        (row) => presentPlan(row, schedules.get(row.id) ?? [], this.clock.now()),
        (row) => [row.id],
      );
    });
  }

  async get(principal: Principal, id: string): Promise<Plan> {
    return this.database.inOrganization(principal, (transaction) => this.getIn(transaction, id));
  }

  async getIn(transaction: Transaction, id: string): Promise<Plan> {
    return this.present(transaction, await findPlan(transaction, id));
  }

  async update(principal: Principal, id: string, request: UpdatePlan, expected: Expected = whatever): Promise<Plan> {
    const { organization } = principal;
    const now = this.clock.now();
    assertWindows(request.blackouts);
    assertVerificationSchedules(request.verifySchedules, now);
    const seen = await this.database.inOrganization(principal, (transaction) => findPlan(transaction, id));
    assertAssertions(request.assertions, seen.method);
    assertContinuousLog(request.continuousLog, seen.method);
    refuseHooksOfLimited(principal, request.hooks ?? []);
    const servers = request.servers === undefined ? undefined : serversIn({ servers: request.servers });
    if (servers) await this.assertServers(principal, servers, '/servers/servers/');
    if (request.databases !== undefined && !coversWholeServer(seen))
      await this.assertDatabases(principal, servers ?? { servers: seen.server_ids, groups: [], tags: [] }, request.databases);
    return this.database.inOrganization(principal, async (transaction) => {
      const before = await lockPlan(transaction, id);
      const shownBefore = await this.present(transaction, before, now);
      expected(shownBefore);
      const schedules = schedulesIn(request, (await schedulesOfPlan(transaction, before)).map(inputOf), before.method, now);
      const hooks = request.hooks === undefined ? {} : { hooks: this.sealed(request.hooks, before.hooks, organization, id) };
      let row = await changePlan(transaction, before, { ...changesOf(request), ...hooks }, schedules, now);
      if (request.enabled === false) row = await this.pauses.pause(transaction, row, principal, {}, now);
      if (request.enabled === true) row = await this.pauses.resume(transaction, row, now);
      const plan = await this.present(transaction, row, now);
      await recordAct(this.outbox, transaction, principal, {
        action: 'plan.updated',
        target: targetOf(row),
        details: { ...changesBetween(shownBefore, plan, { hookAuthorization: givesAuthorization(request.hooks) }) },
      });
      return plan;
    });
  }

  /** For documents: whether a hook's authorization is this one already. */
  async hasAuthorization(principal: Principal, id: string, hook: string, authorization: string): Promise<boolean> {
    const row = await this.database.inOrganization(principal, (transaction) => findPlan(transaction, id));
    const sealed = row.hooks.find(({ name }) => name === hook)?.sealedAuthorization;
    return sealed !== undefined && this.secrets.openAuthorization(row, sealed) === authorization;
  }

  async pause(principal: Principal, id: string, request: PausePlan): Promise<Plan> {
    return this.turn(principal, id, 'plan.paused', (transaction, plan, now) =>
      this.pauses.pause(transaction, plan, principal, request, now),
    );
  }

  async resume(principal: Principal, id: string): Promise<Plan> {
    return this.turn(principal, id, 'plan.resumed', (transaction, plan, now) => this.pauses.resume(transaction, plan, now));
  }

  /** Its backups stay, and no retention touches them any more. */
  async remove(principal: Principal, id: string, expected: Expected = whatever): Promise<void> {
    await this.database.inOrganization(principal, async (transaction) => {
      const row = await lockPlan(transaction, id);
      const shown = await this.present(transaction, row);
      expected(shown);
      await transaction.query(`UPDATE plans SET deleted_at = $2, enabled = false, replan = true WHERE id = $1`, [id, this.clock.now()]);
      const details = { ...changesBetween(shown, undefined) };
      await recordAct(this.outbox, transaction, principal, { action: 'plan.deleted', target: targetOf(row), details });
    });
  }

  private async turn(
    principal: Principal,
    id: string,
    action: string,
    turn: (transaction: Transaction, plan: PlanRow, now: Date) => Promise<PlanRow>,
  ): Promise<Plan> {
    return this.database.inOrganization(principal, async (transaction) => {
      const before = await lockPlan(transaction, id);
      const now = this.clock.now();
      const shownBefore = await this.present(transaction, before, now);
      const row = await turn(transaction, before, now);
      const plan = await this.present(transaction, row, now);
      const details = { ...changesBetween(shownBefore, plan) };
      if (row !== before) await recordAct(this.outbox, transaction, principal, { action, target: targetOf(row), details });
      return plan;
    });
  }

  private sealed(hooks: readonly HookInput[], before: readonly StoredHook[], organization: string, id: string): StoredHook[] {
    return storedHooks(hooks, before, (authorization) =>
      this.secrets.sealAuthorization({ organization_id: organization, id }, authorization),
    );
  }

  private async present(transaction: Transaction, row: PlanRow, now = this.clock.now()): Promise<Plan> {
    return presentPlan(row, await schedulesOfPlan(transaction, row), now);
  }

  private async assertServers(principal: Principal, selection: ServerSelection, pointer: string): Promise<void> {
    await this.database.inOrganization(principal, async (transaction) => {
      assertWithinGroups(principal, selection);
      await assertGroups(transaction, selection.groups, '/servers/groups');
      for (const [index, id] of selection.servers.entries()) {
        const place = pointer.endsWith('/') ? `${pointer}${index}` : pointer;
        await findServer(transaction, id).catch((error: unknown) => {
          throw error instanceof RahatError && error.code === 'not_found' ? mistaken({ pointer: place, message: error.message }) : error;
        });
      }
    });
  }

  private async assertRepository(organization: string, id: string): Promise<void> {
    try {
      await this.repositories.grant(organization, id, 'write-only');
    } catch (error) {
      if (error instanceof RahatError && error.code === 'not_found')
        throw mistaken({ pointer: '/repository', message: `there is no repository ${id}` });
      throw error;
    }
  }

  /** Names must be on every server that is named; one that is not known yet may be new, and its server is asked before it is refused. */
  private async assertDatabases(principal: Principal, selection: ServerSelection, databases: DatabaseSelection): Promise<void> {
    for (const id of selection.servers) {
      const { server, known } = await this.database.inOrganization(principal, async (transaction) => ({
        server: await findServer(transaction, id),
        known: await databasesOf(transaction, id),
      }));
      const missing = missingIn(known.length > 0 ? known : await this.discovery.discoverOn(server), databases);
      const stillMissing =
        missing.length === 0 || known.length === 0 ? missing : missingIn(await this.discovery.discoverOn(server), databases);
      if (stillMissing.length > 0) throw mistaken(...stillMissing.map(({ name, index }) => notOn(server, name, index)));
    }
  }
}

function notOn(server: ServerRow, name: string, index: number) {
  return { pointer: `/databases/${index}`, message: `there is no database '${name}' on ${server.name}` };
}

/** Edits, pauses and the ledger's planning take turns. */
async function lockPlan(transaction: Transaction, id: string): Promise<PlanRow> {
  await transaction.query(`SELECT 1 FROM plans WHERE id = $1 FOR UPDATE`, [id]);
  return findPlan(transaction, id);
}

function targetOf(row: PlanRow) {
  return { kind: 'plan', id: row.id, name: row.name };
}

/** Presentations have none; the trail tells that one was given. */
function givesAuthorization(hooks: readonly HookInput[] | undefined): boolean {
  return (hooks ?? []).some((hook) => hook.kind === 'http' && typeof hook.authorization === 'string');
}
