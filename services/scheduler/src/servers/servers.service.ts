import {
  newId,
  RahatError,
  type ConnectionKeys,
  type CreateServer,
  type Page,
  type Principal,
  type ProbeReport,
  type Server,
  type ServerQuery,
  type UpdateServer,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { changesBetween, recordAct, whatever, type Expected, type ListPages } from '@rahat/service-kit';
import { foundIds, ListConditions } from '../catalog/found-ids.js';
import type { Clock } from '../clock/clock.js';
import { lockRow } from '../input/lock-row.js';
import { mistaken } from '../input/mistake.js';
import { assertWindows } from '../plans/plan-input.js';
import { replanFor } from '../plans/plan-servers.js';
import { assertKeys, assertNothingBeside, connectionIn } from './connection-input.js';
import { assertGroups } from './server-groups.table.js';
import { keyNames, type ServerSecrets } from './server-secrets.js';
import { findServer, presentServer, recordIdentity, serverTarget, type ServerRow } from './servers.table.js';
import type { WorkerQuestions } from './worker-questions.js';

export class ServersService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly secrets: ServerSecrets,
    private readonly questions: WorkerQuestions,
    private readonly pages: ListPages,
    private readonly clock: Clock,
  ) {}

  async create(principal: Principal, request: CreateServer): Promise<Server> {
    const { address, password } = connectionIn(request);
    const id = newId('server');
    const keys = this.secrets.sealKeys(principal.organization, id, request.keys ?? {});
    assertKeys(address, keys.names);
    this.assertPool(request.pool);
    assertWindows(request.blackouts);
    return this.database.inOrganization(principal, async (transaction) => {
      await assertNameFree(transaction, request.name);
      assertOwnGroups(principal, request.groups);
      await assertGroups(transaction, request.groups, '/groups');
      const [row] = await transaction.query<ServerRow>(
        `INSERT INTO servers (id, organization_id, name, engine, address, sealed_password, password_set_at, pool, group_ids, tags, heavy_runs, discovery_minutes, blackouts, sealed_keys, key_names, standbys)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING *`,
        [
          id,
          principal.organization,
          request.name,
          request.engine,
          JSON.stringify(address),
          this.secrets.sealPassword(principal.organization, id, password),
          this.clock.now(),
          request.pool,
          request.groups,
          request.tags,
          request.heavyRuns,
          request.discoveryMinutes,
          JSON.stringify(request.blackouts),
          keys.sealed,
          keys.names,
          JSON.stringify(request.standbys),
        ],
      );
      await replanFor(transaction, row!);
      const server = presentServer(row!, principal);
      await recordAct(this.outbox, transaction, principal, {
        action: 'server.created',
        target: serverTarget(row!),
        details: { ...changesBetween(undefined, server, { password: password !== '', keys: keys.names.length > 0 }) },
      });
      return server;
    });
  }

  async list(principal: Principal, query: ServerQuery): Promise<Page<Server>> {
    const [after] = this.pages.after(query.cursor);
    const conditions = new ListConditions(principal)
      .where('deleted_at IS NULL')
      .where('id < ?', after)
      .where('group_ids @> ARRAY[?]', query.group)
      .tagged(query.tag)
      .searched(query.q);
    const ids = await foundIds(this.database, 'servers', conditions, { order: 'id DESC', limit: query.limit + 1 });
    const rows = await this.database.inOrganization(principal, (transaction) =>
      transaction.last.query<ServerRow>(`SELECT * FROM servers WHERE id = ANY ($1::text[]) ORDER BY id DESC`, [ids]),
    );
    return this.pages.page(
      rows,
      query.limit,
      (row) => presentServer(row, principal),
      (row) => [row.id],
    );
  }

  async get(principal: Principal, id: string): Promise<Server> {
    return this.database.inOrganization(principal, (transaction) => this.getIn(transaction, id, principal));
  }

  async getIn(transaction: Transaction, id: string, principal: Principal): Promise<Server> {
    return presentServer(await findServer(transaction, id), principal);
  }

  async update(principal: Principal, id: string, request: UpdateServer, expected: Expected = whatever): Promise<Server> {
    return this.database.inOrganization(principal, async (transaction) => {
      await lockRow(transaction, 'servers', id);
      const before = await findServer(transaction, id);
      expected(presentServer(before, principal));
      if (before.platform && (request.name ?? request.url ?? request.address ?? request.password ?? request.keys) !== undefined)
        throw new RahatError('conflict', "The platform's own server follows the platform's configuration");
      if (request.name !== undefined && request.name.toLowerCase() !== before.name.toLowerCase())
        await assertNameFree(transaction, request.name);
      if (request.pool !== undefined) this.assertPool(request.pool);
      assertWindows(request.blackouts);
      if (request.groups !== undefined) assertOwnGroups(principal, request.groups);
      await assertGroups(transaction, request.groups ?? [], '/groups');
      const changed =
        request.url !== undefined || request.address !== undefined
          ? connectionIn(request, this.secrets.connectionOf(before).password)
          : undefined;
      if (!changed) assertNothingBeside(request);
      if (!changed && before.address.authentication && request.password !== undefined)
        throw mistaken({ pointer: '/password', message: 'is not used with authentication' });
      const password = changed?.password ?? request.password;
      const keys = request.keys && this.secrets.sealKeys(principal.organization, id, request.keys);
      assertKeys(changed?.address ?? before.address, keys?.names ?? before.key_names);
      // Saving an address accepts the server behind it: what it tells of itself is learned anew.
      const moved = changed !== undefined;
      const [row] = await transaction.query<ServerRow>(
        `UPDATE servers SET name = COALESCE($2, name), pool = COALESCE($3, pool), address = COALESCE($4::jsonb, address),
           sealed_password = COALESCE($5, sealed_password), password_set_at = CASE WHEN $5::text IS NULL THEN password_set_at ELSE $6 END,
           identity = CASE WHEN $7 THEN NULL ELSE identity END, version = CASE WHEN $7 THEN NULL ELSE version END,
           group_ids = COALESCE($8::text[], group_ids), tags = COALESCE($9::text[], tags), heavy_runs = COALESCE($10, heavy_runs),
           discovery_minutes = CASE WHEN $11 THEN $12 ELSE discovery_minutes END, blackouts = COALESCE($13::jsonb, blackouts),
           sealed_keys = CASE WHEN $14::text[] IS NULL THEN sealed_keys ELSE $15 END, key_names = COALESCE($14::text[], key_names),
           standbys = COALESCE($16::jsonb, standbys)
         WHERE id = $1 RETURNING *`,
        [
          id,
          request.name ?? null,
          request.pool ?? null,
          changed ? JSON.stringify(changed.address) : null,
          password === undefined ? null : this.secrets.sealPassword(principal.organization, id, password),
          this.clock.now(),
          moved,
          request.groups === undefined ? null : withOthersGroups(principal, request.groups, before.group_ids),
          request.tags ?? null,
          request.heavyRuns ?? null,
          request.discoveryMinutes !== undefined,
          request.discoveryMinutes ?? null,
          request.blackouts ? JSON.stringify(request.blackouts) : null,
          keys?.names ?? null,
          keys?.sealed ?? null,
          request.standbys ? JSON.stringify(request.standbys) : null,
        ],
      );
      if ((request.groups ?? request.tags ?? request.blackouts) !== undefined) await replanFor(transaction, before, row!);
      await recordAct(this.outbox, transaction, principal, {
        action: 'server.updated',
        target: serverTarget(row!),
        details: {
          ...changesBetween(presentServer(before, principal), presentServer(row!, principal), {
            password: password !== undefined && password !== '',
            keys: keys !== undefined,
          }),
        },
      });
      return presentServer(row!, principal);
    });
  }

  /** The password, or what takes its place. */
  async hasSecret(principal: Principal, id: string, secret: string): Promise<boolean> {
    const row = await this.database.inOrganization(principal, (transaction) => findServer(transaction, id));
    const { password, awsSecretAccessKey } = this.secrets.connectionOf(row);
    return (row.address.authentication ? awsSecretAccessKey : password) === secret;
  }

  /** The keys that are kept, with others in place of some. */
  async keysWith(principal: Principal, id: string, others: ConnectionKeys): Promise<ConnectionKeys> {
    const row = await this.database.inOrganization(principal, (transaction) => findServer(transaction, id));
    const { tlsKey, sshKey, awsSecretAccessKey } = this.secrets.connectionOf(row);
    return { tlsKey, sshKey, awsSecretAccessKey, ...others };
  }

  /** Backups stay restorable; what would still back up or restore has to go first. */
  async remove(principal: Principal, id: string, expected: Expected = whatever): Promise<void> {
    await this.database.inOrganization(principal, async (transaction) => {
      await lockRow(transaction, 'servers', id);
      const row = await findServer(transaction, id);
      expected(presentServer(row, principal));
      if (row.platform) throw new RahatError('conflict', "The platform's own server cannot be deleted");
      const naming = () =>
        transaction.query<{ name: string }>(`SELECT name FROM plans WHERE $1 = ANY (server_ids) AND deleted_at IS NULL ORDER BY name`, [
          id,
        ]);
      const plans = await naming();
      if (plans.length === 0 && (await transaction.inWholeOrganization(naming)).length > 0)
        throw new RahatError('conflict', 'A plan that covers other servers as well still protects this server', {
          hint: 'Ask somebody whose role is not limited to server groups.',
        });
      if (plans.length > 0)
        throw new RahatError('conflict', `Plans still protect this server: ${plans.map((plan) => plan.name).join(', ')}`, {
          hint: 'Delete these plans first.',
        });
      const active = await transaction.query(`SELECT 1 FROM runs WHERE server_id = $1 AND state IN ('due', 'queued', 'running') LIMIT 1`, [
        id,
      ]);
      if (active.length > 0)
        throw new RahatError('conflict', 'A run of this server is not finished', { hint: 'Wait for it, or cancel it.' });
      await transaction.query(`UPDATE servers SET deleted_at = $2 WHERE id = $1`, [id, this.clock.now()]);
      await replanFor(transaction, row);
      const details = { ...changesBetween(presentServer(row, principal), undefined) };
      await recordAct(this.outbox, transaction, principal, { action: 'server.deleted', target: serverTarget(row), details });
    });
  }

  /** Before it is saved: nothing is kept. */
  async tryOut(request: CreateServer): Promise<ProbeReport> {
    const { address, password } = connectionIn(request);
    assertKeys(address, keyNames(request.keys ?? {}));
    this.assertPool(request.pool);
    return this.questions.probe(request.pool, request.engine, { ...address, password, ...request.keys });
  }

  async test(principal: Principal, id: string): Promise<ProbeReport> {
    const server = await this.database.inOrganization(principal, (transaction) => findServer(transaction, id));
    const report = await this.questions.probe(server.pool, server.engine, this.secrets.connectionOf(server));
    const { changed } = await this.database.inOrganization(principal, async (transaction) => {
      // The stored password was opened for it, whatever came of that.
      const { reachable } = report;
      await recordAct(this.outbox, transaction, principal, {
        action: 'server.tested',
        target: serverTarget(server),
        details: { reachable },
      });
      if (!reachable) return { changed: false };
      const recorded = await recordIdentity(transaction, id, report);
      if (recorded.changed) {
        await recordAct(this.outbox, transaction, principal, {
          action: 'server.identity_changed',
          target: serverTarget(server),
          details: { recorded: server.identity, seen: report.identity },
        });
      }
      return recorded;
    });
    if (!changed) return report;
    const detail = `Another server answers at this address: its identity is ${report.identity}, recorded is ${server.identity}. If that is right, save the address again.`;
    return { ...report, steps: [...report.steps, { name: 'identity', ok: false, ms: 0, detail }] };
  }

  private assertPool(pool: string): void {
    try {
      this.secrets.publicKeyOf(pool);
    } catch (error) {
      throw mistaken({ pointer: '/pool', message: (error as RahatError).message });
    }
  }
}

/** Outside of their groups it would be out of their own reach. */
function assertOwnGroups({ serverGroups }: Principal, groups: readonly string[]): void {
  if (serverGroups !== null && groups.length === 0)
    throw mistaken({ pointer: '/groups', message: 'your role is limited to server groups: name one of them' });
}

/** Groups that somebody doesn't see they don't take away either. */
function withOthersGroups({ serverGroups }: Principal, groups: readonly string[], before: readonly string[]): string[] {
  return serverGroups === null ? [...groups] : [...before.filter((group) => !serverGroups.includes(group)), ...groups];
}

async function assertNameFree(transaction: Transaction, name: string): Promise<void> {
  const [other] = await transaction.inWholeOrganization(() =>
    transaction.query(`SELECT 1 FROM servers WHERE lower(name) = lower($1) AND deleted_at IS NULL`, [name]),
  );
  if (other) throw new RahatError('conflict', `There is a server named '${name}' already`);
}
