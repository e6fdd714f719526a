import {
  newId,
  RahatError,
  type CreateServerGroup,
  type Page,
  type PageQuery,
  type Principal,
  type ServerGroup,
  type UpdateServerGroup,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { changesBetween, recordAct, whatever, type Expected, type ListPages } from '@rahat/service-kit';
import { lockRow } from '../input/lock-row.js';
import { COUNTED_GROUPS, findServerGroup, presentServerGroup, type ServerGroupRow } from './server-groups.table.js';

export class ServerGroupsService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly pages: ListPages,
  ) {}

  async create(principal: Principal, request: CreateServerGroup): Promise<ServerGroup> {
    return this.database.inOrganization(principal, async (transaction) => {
      await assertNameFree(transaction, request.name);
      const id = newId('serverGroup');
      await transaction.query(`INSERT INTO server_groups (id, organization_id, name, description) VALUES ($1, $2, $3, $4)`, [
        id,
        principal.organization,
        request.name,
        request.description,
      ]);
      return this.told(transaction, principal, 'server_group.created', id);
    });
  }

  async list(principal: Principal, query: PageQuery): Promise<Page<ServerGroup>> {
    const [after = null] = this.pages.after(query.cursor);
    const rows = await this.database.inOrganization(principal, (transaction) =>
      transaction.query<ServerGroupRow>(`${COUNTED_GROUPS} WHERE ($1::text IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`, [
        after,
        query.limit + 1,
      ]),
    );
    return this.pages.page(rows, query.limit, presentServerGroup, (row) => [row.id]);
  }

  async get(principal: Principal, id: string): Promise<ServerGroup> {
    return presentServerGroup(await this.database.inOrganization(principal, (transaction) => findServerGroup(transaction, id)));
  }

  async update(principal: Principal, id: string, request: UpdateServerGroup, expected: Expected = whatever): Promise<ServerGroup> {
    return this.database.inOrganization(principal, async (transaction) => {
      await lockRow(transaction, 'server_groups', id);
      const before = await findServerGroup(transaction, id);
      expected(presentServerGroup(before));
      if (request.name !== undefined && request.name.toLowerCase() !== before.name.toLowerCase())
        await assertNameFree(transaction, request.name);
      await transaction.query(`UPDATE server_groups SET name = COALESCE($2, name), description = COALESCE($3, description) WHERE id = $1`, [
        id,
        request.name ?? null,
        request.description ?? null,
      ]);
      return this.told(transaction, principal, 'server_group.updated', id, before);
    });
  }

  /** Its servers stay, without it. */
  async remove(principal: Principal, id: string, expected: Expected = whatever): Promise<void> {
    await this.database.inOrganization(principal, async (transaction) => {
      await lockRow(transaction, 'server_groups', id);
      const group = await findServerGroup(transaction, id);
      expected(presentServerGroup(group));
      const plans = await transaction.query<{ name: string }>(
        `SELECT name FROM plans WHERE $1 = ANY (server_groups) AND deleted_at IS NULL ORDER BY name`,
        [id],
      );
      if (plans.length > 0)
        throw new RahatError('conflict', `Plans still select this group: ${plans.map((plan) => plan.name).join(', ')}`, {
          hint: 'Change these plans first.',
        });
      await transaction.query(`UPDATE servers SET group_ids = array_remove(group_ids, $1) WHERE group_ids @> ARRAY[$1::text]`, [id]);
      await transaction.query(`DELETE FROM server_groups WHERE id = $1`, [id]);
      await recordAct(this.outbox, transaction, principal, {
        action: 'server_group.deleted',
        target: { kind: 'server_group', id, name: group.name },
        details: { ...changesBetween(presentServerGroup(group), undefined) },
      });
    });
  }

  private async told(
    transaction: Transaction,
    principal: Principal,
    action: string,
    id: string,
    before?: ServerGroupRow,
  ): Promise<ServerGroup> {
    const group = presentServerGroup(await findServerGroup(transaction, id));
    const details = { ...changesBetween(before && presentServerGroup(before), group) };
    await recordAct(this.outbox, transaction, principal, { action, target: { kind: 'server_group', id, name: group.name }, details });
    return group;
  }
}

async function assertNameFree(transaction: Transaction, name: string): Promise<void> {
  const [other] = await transaction.query(`SELECT 1 FROM server_groups WHERE lower(name) = lower($1)`, [name]);
  if (other) throw new RahatError('conflict', `There is a server group named '${name}' already`);
}
