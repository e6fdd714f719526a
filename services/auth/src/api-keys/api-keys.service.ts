import {
  allows,
  RahatError,
  Scope,
  type ApiKey,
  type CreateApiKey,
  type CreatedApiKey,
  type Page,
  type PageQuery,
  type Principal,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import type { Cursors } from '@rahat/service-kit';
import { z } from 'zod';
import { actorOf, recordAct } from '../trail/trail.js';
import { newApiKey } from './api-key-format.js';

const Position = z.tuple([z.literal('api-keys'), z.string()]);

interface ApiKeyRow {
  id: string;
  name: string;
  scopes: Scope[];
  created_at: Date;
  expires_at: Date | null;
  used_at: Date | null;
  revoked_at: Date | null;
}

export class ApiKeysService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly cursors: Cursors,
  ) {}

  async create(principal: Principal, request: CreateApiKey): Promise<CreatedApiKey> {
    // A key that makes keys would outlive its own expiry and revocation.
    if (principal.kind !== 'user') throw new RahatError('forbidden', 'Only a logged-in user can make API keys.');
    const missing = request.scopes.filter((scope) => !allows(principal, scope));
    if (missing.length > 0) throw new RahatError('forbidden', `You cannot give away scopes that you do not have: ${missing.join(', ')}.`);
    if (request.expiresAt !== undefined && Date.parse(request.expiresAt) <= Date.now())
      throw new RahatError('invalid_input', 'expiresAt lies in the past.');
    const key = newApiKey();
    return this.database.inOrganization(principal.organization, async (transaction) => {
      const [row] = await transaction.query<ApiKeyRow>(
        `INSERT INTO api_keys (id, organization_id, name, secret_hash, scopes, created_by, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
         RETURNING id, name, scopes, created_at, expires_at, used_at, revoked_at`,
        [
          key.id,
          principal.organization,
          request.name,
          key.secretHash,
          [...new Set(request.scopes)],
          principal.subject,
          request.expiresAt ?? null,
        ],
      );
      await this.record(transaction, principal, 'api_key.created', row!, { scopes: request.scopes, expiresAt: request.expiresAt ?? null });
      return { ...present(row!), secret: key.text };
    });
  }

  async list(principal: Principal, page: PageQuery): Promise<Page<ApiKey>> {
    const after = page.cursor === undefined ? null : this.cursors.decode(page.cursor, Position)[1];
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<ApiKeyRow>(
        `SELECT id, name, scopes, created_at, expires_at, used_at, revoked_at FROM api_keys WHERE ($1::text IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`,
        [after, page.limit + 1],
      ),
    );
    const data = rows.slice(0, page.limit).map(present);
    const hasMore = rows.length > page.limit;
    return { data, page: { nextCursor: hasMore ? this.cursors.encode(['api-keys', data.at(-1)!.id]) : null, hasMore } };
  }

  async revoke(principal: Principal, id: string): Promise<void> {
    await this.database.inOrganization(principal.organization, async (transaction) => {
      const [row] = await transaction.query<ApiKeyRow & { was_active: boolean }>(
        `SELECT *, revoked_at IS NULL AS was_active FROM api_keys WHERE id = $1 FOR UPDATE`,
        [id],
      );
      if (row === undefined) throw new RahatError('not_found', 'There is no such API key.');
      if (!row.was_active) return;
      await transaction.query(`UPDATE api_keys SET revoked_at = now() WHERE id = $1`, [id]);
      await this.record(transaction, principal, 'api_key.revoked', row, {});
    });
  }

  private async record(
    transaction: Parameters<typeof recordAct>[1],
    principal: Principal,
    action: string,
    key: ApiKeyRow,
    details: Record<string, unknown>,
  ): Promise<void> {
    await recordAct(this.outbox, transaction, {
      organization: principal.organization,
      actor: actorOf(principal),
      action,
      target: { kind: 'api_key', id: key.id, name: key.name },
      details,
      request: principal.requestId,
    });
  }
}

function present(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at?.toISOString() ?? null,
    lastUsedAt: row.used_at?.toISOString() ?? null,
    revokedAt: row.revoked_at?.toISOString() ?? null,
  };
}
