import {
  allows,
  covers,
  RahatError,
  type ApiKey,
  type CreateApiKey,
  type CreatedApiKey,
  type Page,
  type PageQuery,
  type Principal,
  type Scope,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { changesBetween, ListPages, recordAct, type Changes, type Cursors } from '@rahat/service-kit';
import { presentApiKey, SELECT_API_KEYS, type ApiKeyRow } from './api-key-row.js';
import { newApiKey } from './api-key-format.js';

/** Everybody has the keys they made; `api-key:read` and `api-key:write` are for those of the others. */
export class ApiKeysService {
  private readonly pages: ListPages;

  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    cursors: Cursors,
  ) {
    this.pages = new ListPages(cursors, 'api-keys');
  }

  async create(principal: Principal, request: CreateApiKey): Promise<CreatedApiKey> {
    // A key that makes keys would outlive its own expiry and revocation.
    if (principal.kind !== 'user') throw new RahatError('forbidden', 'Only a logged-in user can make API keys.');
    const missing = request.scopes.filter((scope) => !mayGive(principal, scope));
    if (missing.length > 0) throw new RahatError('forbidden', `You cannot give away scopes that you do not have: ${missing.join(', ')}.`);
    if (request.expiresAt !== undefined && Date.parse(request.expiresAt) <= Date.now())
      throw new RahatError('invalid_input', 'expiresAt lies in the past.');
    const key = newApiKey();
    const scopes = [...new Set(request.scopes)];
    return this.database.inOrganization(principal.organization, async (transaction) => {
      // Waits for a removal of the maker that is under way, which revokes the keys it sees.
      const [member] = await transaction.query(`SELECT FROM memberships WHERE organization_id = $1 AND user_id = $2 FOR SHARE`, [
        principal.organization,
        principal.subject,
      ]);
      if (member === undefined) throw new RahatError('forbidden', 'You do not belong to this organization any more.');
      await transaction.query(
        `INSERT INTO api_keys (id, organization_id, name, secret_hash, scopes, created_by, expires_at, requests_per_minute) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [
          key.id,
          principal.organization,
          request.name,
          key.secretHash,
          scopes,
          principal.subject,
          request.expiresAt ?? null,
          request.requestsPerMinute ?? null,
        ],
      );
      const row = await this.find(transaction, principal, key.id, 'api-key:read');
      const made = presentApiKey(row);
      await this.record(transaction, principal, 'api_key.created', made, changesBetween(undefined, made));
      return { ...made, secret: key.text };
    });
  }

  async list(principal: Principal, page: PageQuery): Promise<Page<ApiKey>> {
    const [after = null] = this.pages.after(page.cursor);
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<ApiKeyRow>(
        `${SELECT_API_KEYS} WHERE k.organization_id = $1 AND ($2::text IS NULL OR k.created_by = $2) AND ${OF_MAKERS_WITHIN} AND ($4::text IS NULL OR k.id < $4) ORDER BY k.id DESC LIMIT $5`,
        [principal.organization, makerSeenBy(principal, 'api-key:read'), principal.serverGroups, after, page.limit + 1],
      ),
    );
    return this.pages.page(rows, page.limit, presentApiKey, (row) => [row.id]);
  }

  async get(principal: Principal, id: string): Promise<ApiKey> {
    return presentApiKey(
      await this.database.inOrganization(principal.organization, (transaction) => this.find(transaction, principal, id, 'api-key:read')),
    );
  }

  async revoke(principal: Principal, id: string): Promise<void> {
    await this.database.inOrganization(principal.organization, async (transaction) => {
      await transaction.query(`SELECT FROM api_keys WHERE id = $1 FOR UPDATE`, [id]);
      const row = await this.find(transaction, principal, id, 'api-key:write');
      if (row.revoked_at !== null) return;
      await transaction.query(`UPDATE api_keys SET revoked_at = now() WHERE id = $1`, [id]);
      const revoked = await this.find(transaction, principal, id, 'api-key:write');
      await this.record(transaction, principal, 'api_key.revoked', row, changesBetween(presentApiKey(row), presentApiKey(revoked)));
    });
  }

  private async find(transaction: Transaction, principal: Principal, id: string, needed: Scope): Promise<ApiKeyRow> {
    const [row] = await transaction.query<ApiKeyRow>(
      `${SELECT_API_KEYS} WHERE k.organization_id = $1 AND ($2::text IS NULL OR k.created_by = $2) AND ${OF_MAKERS_WITHIN} AND k.id = $4`,
      [principal.organization, makerSeenBy(principal, needed), principal.serverGroups, id],
    );
    if (row === undefined) throw new RahatError('not_found', 'There is no such API key.');
    return row;
  }

  private async record(
    transaction: Transaction,
    principal: Principal,
    action: string,
    { id, name }: { id: string; name: string },
    changes: Changes,
  ): Promise<void> {
    await recordAct(this.outbox, transaction, principal, {
      action,
      target: { kind: 'api_key', id, name },
      details: { ...changes },
    });
  }
}

/** `*` means whatever the maker may do at the time; only who has all of that now can say so. */
function mayGive(principal: Principal, scope: Scope): boolean {
  return scope === '*' ? covers(principal, principal) : allows(principal, scope);
}

/** Of members within the server groups `$3`; null: of all. */
const OF_MAKERS_WITHIN = `($3::text[] IS NULL OR EXISTS (
  SELECT FROM memberships m WHERE m.user_id = k.created_by AND m.organization_id = k.organization_id AND m.server_groups <@ $3))`;

/** Null: keys of every maker. A key made nobody's keys, so one without the scope sees none. */
function makerSeenBy(principal: Principal, needed: Scope): string | null {
  return allows(principal, needed) ? null : principal.subject;
}
