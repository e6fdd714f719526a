import {
  newId,
  RahatError,
  type CreateSignOnProvider,
  type Principal,
  type SignOnProvider,
  type UpdateSignOnProvider,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { SecretBox, SecretPlace } from '@rahat/secrets';
import { changesBetween, recordAct, type Changes } from '@rahat/service-kit';
import { demandPresentRight } from '../two-factor/fresh-proof.js';
import type { IdentityProviders, ProviderSettings } from './identity-provider.js';

export interface ProviderRow {
  id: string;
  organization_id: string;
  name: string;
  issuer: string;
  client_id: string;
  sealed_secret: string | null;
  scopes: string[];
  group_claim: string;
  roles: SignOnProvider['roles'];
  otherwise: SignOnProvider['otherwise'];
  email_domains: string[];
  creates_users: boolean;
  enabled: boolean;
  created_at: Date;
}

/** The identity providers of organizations. Who may come in is decided here, so a key alone cannot change it. */
export class SignOnProvidersService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly secretBox: SecretBox,
    private readonly identityProviders: IdentityProviders,
    private readonly publicUrl: string | undefined,
  ) {}

  /** Tries the provider out before it is kept. */
  async create(principal: Principal, request: CreateSignOnProvider): Promise<SignOnProvider> {
    const id = newId('signOnProvider');
    const { issuer, clientId, clientSecret, scopes, groupClaim } = request;
    // Before anything is called, and again when it is kept.
    await this.database.inOrganization(principal.organization, (transaction) =>
      demandPresentRight(transaction, principal, 'organization:write'),
    );
    await this.identityProviders.discover({ id, issuer, clientId, clientSecret, scopes, groupClaim });
    return this.database.inOrganization(principal.organization, async (transaction) => {
      await demandPresentRight(transaction, principal, 'organization:write');
      const [row] = await transaction.query<ProviderRow>(
        `INSERT INTO sign_on_providers (id, organization_id, name, issuer, client_id, sealed_secret, scopes, group_claim, roles, otherwise, email_domains, creates_users)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING *`,
        [
          id,
          principal.organization,
          request.name,
          issuer,
          clientId,
          clientSecret === undefined ? null : this.secretBox.seal(clientSecret, placeOf(principal.organization, id)),
          scopes,
          groupClaim,
          JSON.stringify(request.roles),
          request.otherwise,
          request.emailDomains,
          request.createsUsers,
        ],
      );
      const changes = changesBetween(undefined, settled(row!), { clientSecret: clientSecret !== undefined });
      await this.record(transaction, principal, 'sign_on_provider.created', row!, changes);
      return this.present(row!);
    });
  }

  async list(principal: Principal): Promise<SignOnProvider[]> {
    const rows = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<ProviderRow>(`SELECT * FROM sign_on_providers WHERE organization_id = $1 ORDER BY id`, [principal.organization]),
    );
    return rows.map((row) => this.present(row));
  }

  async update(principal: Principal, id: string, change: UpdateSignOnProvider): Promise<SignOnProvider> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
      await demandPresentRight(transaction, principal, 'organization:write');
      const { clientSecret } = change;
      const [before] = await transaction.query<ProviderRow>(`SELECT * FROM sign_on_providers WHERE id = $1 FOR UPDATE`, [id]);
      const [row] = await transaction.query<ProviderRow>(
        `UPDATE sign_on_providers SET name = coalesce($2, name), sealed_secret = coalesce($3, sealed_secret), scopes = coalesce($4, scopes),
           group_claim = coalesce($5, group_claim), roles = coalesce($6, roles), otherwise = CASE WHEN $7 THEN $8 ELSE otherwise END,
           email_domains = coalesce($9, email_domains), creates_users = coalesce($10, creates_users), enabled = coalesce($11, enabled)
         WHERE id = $1 RETURNING *`,
        [
          id,
          change.name ?? null,
          clientSecret === undefined ? null : this.secretBox.seal(clientSecret, placeOf(principal.organization, id)),
          change.scopes ?? null,
          change.groupClaim ?? null,
          change.roles === undefined ? null : JSON.stringify(change.roles),
          change.otherwise !== undefined,
          change.otherwise ?? null,
          change.emailDomains ?? null,
          change.createsUsers ?? null,
          change.enabled ?? null,
        ],
      );
      if (before === undefined || row === undefined) throw noSuchProvider();
      const changes = changesBetween(settled(before), settled(row), { clientSecret: clientSecret !== undefined });
      await this.record(transaction, principal, 'sign_on_provider.changed', row, changes);
      return this.present(row);
    });
  }

  /** Its users stay; who has no password then gets one by a reset. */
  async remove(principal: Principal, id: string): Promise<void> {
    await this.database.inOrganization(principal.organization, async (transaction) => {
      await demandPresentRight(transaction, principal, 'organization:write');
      const [row] = await transaction.query<ProviderRow>(`DELETE FROM sign_on_providers WHERE id = $1 RETURNING *`, [id]);
      if (row === undefined) throw noSuchProvider();
      await this.record(transaction, principal, 'sign_on_provider.removed', row, changesBetween(settled(row), undefined));
    });
  }

  /** For somebody who is nobody yet, and so belongs to no organization. */
  async enabled(id: string): Promise<ProviderRow> {
    const [row] = await this.database.asSystem('find an identity provider', (transaction) =>
      transaction.query<ProviderRow>(`SELECT * FROM sign_on_providers WHERE id = $1 AND enabled`, [id]),
    );
    if (row === undefined) throw noSuchProvider();
    return row;
  }

  settingsOf(row: ProviderRow): ProviderSettings {
    const secret = row.sealed_secret === null ? undefined : this.secretBox.open(row.sealed_secret, placeOf(row.organization_id, row.id));
    return {
      id: row.id,
      issuer: row.issuer,
      clientId: row.client_id,
      clientSecret: secret?.toString('utf8'),
      scopes: row.scopes,
      groupClaim: row.group_claim,
    };
  }

  /** A provider sends browsers back to the address that was registered with it, so somebody has to have said it. */
  redirectUri(id: string): string {
    if (this.publicUrl === undefined)
      throw new RahatError('conflict', 'Identity providers need to know at which address browsers reach Rahat Backup.', {
        hint: 'Who operates it sets RAHAT_PUBLIC_URL, e.g. https://backup.example.org.',
      });
    return `${this.publicUrl.replace(/\/+$/, '')}/api/v2/sign-on/${id}/callback`;
  }

  private async record(transaction: Transaction, principal: Principal, action: string, row: ProviderRow, changes: Changes): Promise<void> {
    await recordAct(this.outbox, transaction, principal, {
      action,
      target: { kind: 'sign_on_provider', id: row.id, name: row.name },
      details: { ...changes },
    });
  }

  private present(row: ProviderRow): SignOnProvider {
    const redirectUri = this.redirectUri(row.id);
    return { ...settled(row), startUri: redirectUri.replace(/callback$/, 'start'), redirectUri };
  }
}

/** As it stands, wherever the platform is reached. */
function settled(row: ProviderRow): Omit<SignOnProvider, 'startUri' | 'redirectUri'> {
  return {
    id: row.id,
    name: row.name,
    issuer: row.issuer,
    clientId: row.client_id,
    hasClientSecret: row.sealed_secret !== null,
    scopes: row.scopes,
    groupClaim: row.group_claim,
    roles: rolesOf(row),
    otherwise: row.otherwise,
    emailDomains: row.email_domains,
    createsUsers: row.creates_users,
    enabled: row.enabled,
    createdAt: row.created_at.toISOString(),
  };
}

/** Those that were written before roles could be limited are for the whole organization. */
export function rolesOf(row: Pick<ProviderRow, 'roles'>): SignOnProvider['roles'] {
  return row.roles.map((rule) => ({ ...rule, serverGroups: rule.serverGroups ?? null }));
}

function noSuchProvider(): RahatError {
  return new RahatError('not_found', 'There is no such identity provider.');
}

function placeOf(organization: string, id: string): SecretPlace {
  return { organization, record: `sign-on-provider/${id}`, field: 'client-secret' };
}
