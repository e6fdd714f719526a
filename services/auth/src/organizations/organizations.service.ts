import {
  newId,
  RahatError,
  type Organization,
  type OwnOrganization,
  type Page,
  type PageQuery,
  type Principal,
  type Role,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { changesBetween, ListPages, recordAct, type Cursors, type Expected } from '@rahat/service-kit';
import { userOf } from '../sessions/session-overview.js';
import { callerNow, lockOrganization } from '../users/reach.js';

/** So that nobody fills the platform with them. */
const MOST_OWNED = 100;

export class OrganizationsService {
  private readonly pages: ListPages;

  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    cursors: Cursors,
  ) {
    this.pages = new ListPages(cursors, 'organizations');
  }

  async current({ organization, serverGroups }: Principal): Promise<Organization> {
    return this.database.inOrganization(organization, (transaction) => read(transaction, organization, serverGroups));
  }

  async rename(principal: Principal, name: string, expected: Expected): Promise<Organization> {
    const { organization } = principal;
    return this.database.inOrganization(organization, async (transaction) => {
      const before = await lockOrganization(transaction, organization);
      await callerNow(transaction, principal, 'organization:write');
      expected(await read(transaction, organization));
      if (before !== name) {
        await transaction.query(`UPDATE organizations SET name = $2 WHERE organization_id = $1`, [organization, name]);
        await recordAct(this.outbox, transaction, principal, {
          action: 'organization.renamed',
          target: { kind: 'organization', id: organization, name },
          details: { ...changesBetween({ name: before }, { name }) },
        });
      }
      return read(transaction, organization);
    });
  }

  /** A key has one; a person may have several. */
  async list(principal: Principal, page: PageQuery): Promise<Page<OwnOrganization>> {
    const [after = null] = this.pages.after(page.cursor);
    const rows = await this.database.asSystem('list the organizations of a user', (transaction) =>
      transaction.query<{ id: string; name: string; role: Role }>(
        principal.kind === 'user'
          ? `SELECT o.organization_id AS id, o.name, m.role FROM memberships m JOIN organizations o USING (organization_id)
             WHERE m.user_id = $1 AND ($2::text IS NULL OR o.organization_id > $2) ORDER BY o.organization_id LIMIT $3`
          : `SELECT o.organization_id AS id, o.name, $4::text AS role FROM organizations o
             WHERE o.organization_id = $1 AND ($2::text IS NULL OR o.organization_id > $2) LIMIT $3`,
        principal.kind === 'user'
          ? [principal.subject, after, page.limit + 1]
          : [principal.organization, after, page.limit + 1, principal.role],
      ),
    );
    return this.pages.page(
      rows,
      page.limit,
      (row) => ({ ...row, current: row.id === principal.organization }),
      (row) => [row.id],
    );
  }

  /** The caller owns it. Their session stays where it is. */
  async create(principal: Principal, name: string): Promise<Organization> {
    const user = userOf(principal);
    const organization = newId('organization');
    return this.database.asSystem('make an organization', async (transaction) => {
      await callerNow(transaction, principal, 'organization:create');
      // One after the other, for the count.
      await transaction.query(`SELECT FROM users WHERE id = $1 FOR UPDATE`, [user]);
      const owned = await transaction.query(`SELECT FROM memberships WHERE user_id = $1 AND role = 'owner' LIMIT $2`, [user, MOST_OWNED]);
      if (owned.length === MOST_OWNED) throw new RahatError('conflict', `You own ${MOST_OWNED} organizations already.`);
      await transaction.query(`INSERT INTO organizations (organization_id, name) VALUES ($1, $2)`, [organization, name]);
      await transaction.query(`INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, 'owner')`, [organization, user]);
      await this.outbox.event(transaction, 'organization.created.v1', { organization, name, at: new Date().toISOString() });
      // The new organization's trail begins with it; the one that the maker comes from learns nothing of it.
      const details = { ...changesBetween(undefined, { organization: name, role: 'owner' }) };
      const target = { kind: 'user', id: user, name: principal.name };
      await recordAct(this.outbox, transaction, { ...principal, organization }, { action: 'owner.created', target, details });
      return read(transaction, organization);
    });
  }
}

/** Its members as far as somebody with these server groups may know of them. */
async function read(transaction: Transaction, organization: string, serverGroups: readonly string[] | null = null): Promise<Organization> {
  const [row] = await transaction.query<{ name: string; created_at: Date; members: number }>(
    `SELECT name, created_at, (SELECT count(*)::int FROM memberships m WHERE m.organization_id = o.organization_id AND ($2::text[] IS NULL OR m.server_groups <@ $2)) AS members
     FROM organizations o WHERE organization_id = $1`,
    [organization, serverGroups],
  );
  if (row === undefined) throw new RahatError('not_found', 'There is no such organization.');
  return { id: organization, name: row.name, members: row.members, createdAt: row.created_at.toISOString() };
}
