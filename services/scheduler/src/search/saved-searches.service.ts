import { newId, RahatError, type CreateSavedSearch, type Page, type PageQuery, type Principal, type SavedSearch } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase } from '@rahat/persistence';
import { changesBetween, recordAct, type ListPages } from '@rahat/service-kit';

interface SavedSearchRow {
  id: string;
  name: string;
  list: SavedSearch['list'];
  query: SavedSearch['query'];
  created_by: string;
  created_at: Date;
}

export class SavedSearchesService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly pages: ListPages,
  ) {}

  async list(principal: Principal, page: PageQuery): Promise<Page<SavedSearch>> {
    const [after = null] = this.pages.after(page.cursor);
    const rows = await this.database.inOrganization(principal, (transaction) =>
      transaction.query<SavedSearchRow>(`SELECT * FROM saved_searches WHERE $1::text IS NULL OR id < $1 ORDER BY id DESC LIMIT $2`, [
        after,
        page.limit + 1,
      ]),
    );
    return this.pages.page(rows, page.limit, present, (row) => [row.id]);
  }

  async create(principal: Principal, { name, list, query }: CreateSavedSearch): Promise<SavedSearch> {
    return this.database.inOrganization(principal, async (transaction) => {
      const [row] = await transaction.query<SavedSearchRow>(
        `INSERT INTO saved_searches (id, organization_id, name, list, query, created_by) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (organization_id, lower(name)) DO NOTHING RETURNING *`,
        [newId('savedSearch'), principal.organization, name, list, JSON.stringify(query), principal.name],
      );
      if (!row) throw new RahatError('conflict', `There is a saved search named '${name}' already`, { hint: 'Choose another name.' });
      await recordAct(this.outbox, transaction, principal, {
        action: 'saved_search.created',
        target: { kind: 'saved_search', id: row.id, name },
        details: { ...changesBetween(undefined, present(row)) },
      });
      return present(row);
    });
  }

  async remove(principal: Principal, id: string): Promise<void> {
    await this.database.inOrganization(principal, async (transaction) => {
      const [row] = await transaction.query<SavedSearchRow>(`DELETE FROM saved_searches WHERE id = $1 RETURNING *`, [id]);
      if (!row) throw new RahatError('not_found', `There is no saved search ${id}`);
      await recordAct(this.outbox, transaction, principal, {
        action: 'saved_search.removed',
        target: { kind: 'saved_search', id, name: row.name },
        details: { ...changesBetween(present(row), undefined) },
      });
    });
  }
}

function present(row: SavedSearchRow): SavedSearch {
  return {
    id: row.id,
    name: row.name,
    list: row.list,
    query: row.query,
    createdBy: row.created_by,
    createdAt: row.created_at.toISOString(),
  };
}
