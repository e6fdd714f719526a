import { randomBytes } from 'node:crypto';
import { newId, RahatError, type LimitedRole, type Role } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { SecretBox } from '@rahat/secrets';
import { changesBetween } from '@rahat/service-kit';
import type { Asker, LogInOutcome, LogInService } from '../sessions/log-in.service.js';
import { tokenHash } from '../sessions/opaque-token.js';
import { authItself, recordActOf } from '../trail/trail.js';
import { revokeInvitationsBeyond } from '../users/departure.js';
import { lockOrganization } from '../users/reach.js';
import type { IdentityProviders, SignedOn, SignOnAttempt } from './identity-provider.js';
import { rolesOf, type ProviderRow, type SignOnProvidersService } from './sign-on-providers.service.js';
import { groupsIn, isOfDomain, roleOf } from './sign-on-role.js';

const ATTEMPT_SECONDS = 600;

interface LocalUser {
  id: string;
  name: string;
  role: Role;
  server_groups: string[] | null;
}

/** The way in by an identity provider of the organization. */
export class SignOnService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly secretBox: SecretBox,
    private readonly providers: SignOnProvidersService,
    private readonly identityProviders: IdentityProviders,
    private readonly logIns: LogInService,
  ) {}

  /** Where to send the browser, and what it has to bring back besides the provider's answer. */
  async start(providerId: string): Promise<{ url: string; browser: string }> {
    const provider = await this.providers.enabled(providerId);
    const attempt: SignOnAttempt = { state: secret(), nonce: secret(), verifier: secret() };
    const browser = secret();
    const redirectUri = this.providers.redirectUri(provider.id);
    const url = await this.identityProviders.authorizationUrl(this.providers.settingsOf(provider), attempt, redirectUri);
    await this.database.asSystem('begin a sign-on', async (transaction) => {
      await transaction.query(`DELETE FROM sign_on_attempts WHERE expires_at < now()`);
      await transaction.query(
        `INSERT INTO sign_on_attempts (state_hash, browser_hash, provider_id, organization_id, sealed, expires_at)
         VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))`,
        [
          tokenHash(attempt.state),
          tokenHash(browser),
          provider.id,
          provider.organization_id,
          this.secretBox.seal(JSON.stringify(attempt), placeOf(provider, attempt.state)),
          ATTEMPT_SECONDS,
        ],
      );
    });
    return { url, browser };
  }

  /** `query` is what the provider sent the browser back with, `browser` what `start` gave to it. */
  async finish(providerId: string, query: URLSearchParams, browser: string | undefined, from: Asker): Promise<LogInOutcome> {
    const provider = await this.providers.enabled(providerId);
    const attempt = await this.takeAttempt(provider, query.get('state') ?? '', browser ?? '');
    if (attempt === undefined)
      return this.refuse(provider, from.address, 'This log-in was not begun in this browser, took too long, or was finished already.');
    const answer = new URL(`${this.providers.redirectUri(provider.id)}?${query.toString()}`);
    let signedOn: SignedOn;
    try {
      signedOn = await this.identityProviders.identify(this.providers.settingsOf(provider), attempt, answer);
    } catch (error) {
      if (error instanceof RahatError && error.code === 'sign_on_failed') return this.refuse(provider, from.address, error.message);
      throw error;
    }
    const given = roleOf(groupsIn(signedOn.groups), { roles: rolesOf(provider), otherwise: provider.otherwise });
    if (given === undefined) return this.refuse(provider, from.address, 'None of your groups gives you a role here.');
    const email = signedOn.emailVerified ? signedOn.email : undefined;
    if (provider.email_domains.length > 0 && (email === undefined || !isOfDomain(email, provider.email_domains)))
      return this.refuse(
        provider,
        from.address,
        'Your e-mail address is not of a domain that may log in here, or the provider has not verified it.',
      );
    const admitted = await this.database.asSystem('find or make a signed-on user', (transaction) =>
      this.admit(transaction, provider, { ...signedOn, email }, given),
    );
    if (typeof admitted === 'string') return this.refuse(provider, from.address, admitted);
    const user = { ...admitted, organization: provider.organization_id, method: 'sign-on' as const, secondFactor: false };
    return this.logIns.goOn(user, from, (transaction) => this.giveRole(transaction, provider, admitted, given));
  }

  /** Each attempt is answered once, and only in the browser that began it. */
  private async takeAttempt(provider: ProviderRow, state: string, browser: string): Promise<SignOnAttempt | undefined> {
    const [taken] = await this.database.asSystem('take a sign-on', (transaction) =>
      transaction.query<{ sealed: string }>(
        `DELETE FROM sign_on_attempts WHERE state_hash = $1 AND browser_hash = $2 AND provider_id = $3 AND expires_at > now() RETURNING sealed`,
        [tokenHash(state), tokenHash(browser), provider.id],
      ),
    );
    if (taken === undefined) return undefined;
    return JSON.parse(this.secretBox.open(taken.sealed, placeOf(provider, state)).toString('utf8')) as SignOnAttempt;
  }

  /** The local user behind who signed on, linked or made where that is allowed; else why there is none. */
  private async admit(
    transaction: Transaction,
    provider: ProviderRow,
    signedOn: SignedOn,
    given: LimitedRole,
  ): Promise<LocalUser | string> {
    const known = await linkedUser(transaction, provider, signedOn.subject);
    if (known !== undefined) return (await whyNot(transaction, provider, known)) ?? known;
    if (signedOn.email === undefined) return 'The provider does not say that your e-mail address is yours, so nobody here can be you.';
    // Two first log-ins at once make one user.
    await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.auth.sign-on:' || lower($1), 0))`, [signedOn.email]);
    const linkedMeanwhile = await linkedUser(transaction, provider, signedOn.subject);
    if (linkedMeanwhile !== undefined) return (await whyNot(transaction, provider, linkedMeanwhile)) ?? linkedMeanwhile;
    const [local] = await transaction.query<LocalUser & { ours: boolean }>(
      `SELECT u.id, u.name, m.role, m.server_groups, m.role IS NOT NULL AS ours FROM users u
       LEFT JOIN memberships m ON m.user_id = u.id AND m.organization_id = $2 WHERE lower(u.email) = lower($1)`,
      [signedOn.email, provider.organization_id],
    );
    if (local !== undefined && !local.ours) return NOT_ADDED;
    const reason = local && (await whyNot(transaction, provider, local));
    if (reason !== undefined) return reason;
    if (local === undefined && !provider.creates_users) return NOT_ADDED;
    // An address that was given to somebody else at the provider does not bring along whose it was here.
    const others = await transaction.query(`SELECT FROM sign_on_identities WHERE provider_id = $1 AND user_id = $2`, [
      provider.id,
      local?.id,
    ]);
    if (others.length > 0) return 'Your e-mail address belongs here to somebody else of this provider.';
    const user = local ?? (await makeUser(transaction, provider, signedOn.email, signedOn.name, given));
    await transaction.query(`INSERT INTO sign_on_identities (provider_id, subject, organization_id, user_id) VALUES ($1, $2, $3, $4)`, [
      provider.id,
      signedOn.subject,
      provider.organization_id,
      user.id,
    ]);
    await this.record(transaction, provider, local === undefined ? 'user.created' : 'user.linked', user, {
      provider: provider.name,
      ...given,
    });
    return { id: user.id, name: user.name, role: user.role, server_groups: user.server_groups };
  }

  /** What the groups say now holds now: who lost a group has lost its role with this log-in. */
  private async giveRole(transaction: Transaction, provider: ProviderRow, user: LocalUser, given: LimitedRole): Promise<void> {
    await lockOrganization(transaction, provider.organization_id);
    const changed = await transaction.query(
      `UPDATE memberships SET role = $3, server_groups = $4 WHERE organization_id = $1 AND user_id = $2
         AND (role, server_groups) IS DISTINCT FROM ($3, $4::text[]) AND role <> 'owner' RETURNING user_id`,
      [provider.organization_id, user.id, given.role, given.serverGroups],
    );
    if (changed.length === 0) return;
    await revokeInvitationsBeyond(transaction, provider.organization_id, user.id, given);
    const details = { ...changesBetween({ role: user.role, serverGroups: user.server_groups }, given), provider: provider.name };
    await this.record(transaction, provider, 'user.role_changed', user, details);
  }

  private async refuse(provider: ProviderRow, address: string, reason: string): Promise<LogInOutcome> {
    await this.database.inOrganization(provider.organization_id, (transaction) =>
      recordActOf(this.outbox, transaction, authItself(provider.organization_id, address), {
        action: 'session.refused',
        target: { kind: 'sign_on_provider', id: provider.id, name: provider.name },
        details: { method: 'sign-on', reason },
      }),
    );
    throw new RahatError('sign_on_failed', reason);
  }

  private async record(
    transaction: Transaction,
    provider: ProviderRow,
    action: string,
    user: { id: string; name: string },
    details: Record<string, unknown>,
  ): Promise<void> {
    await recordActOf(this.outbox, transaction, authItself(provider.organization_id), {
      action,
      target: { kind: 'user', id: user.id, name: user.name },
      details,
    });
  }
}

const NOT_ADDED = 'Nobody has added you here.';

async function linkedUser(transaction: Transaction, provider: ProviderRow, subject: string): Promise<LocalUser | undefined> {
  const [linked] = await transaction.query<LocalUser>(
    `SELECT u.id, u.name, m.role, m.server_groups FROM sign_on_identities i JOIN users u ON u.id = i.user_id
     JOIN memberships m ON m.user_id = u.id AND m.organization_id = i.organization_id WHERE i.provider_id = $1 AND i.subject = $2`,
    [provider.id, subject],
  );
  return linked;
}

/** A provider speaks for its own organization: it must not get into another one by somebody who belongs to both, nor own this one. */
async function whyNot(transaction: Transaction, provider: ProviderRow, user: LocalUser): Promise<string | undefined> {
  if (user.role === 'owner') return 'An owner logs in with a password or a passkey, so that no provider can make itself one.';
  const elsewhere = await transaction.query(`SELECT FROM memberships WHERE user_id = $1 AND organization_id <> $2 LIMIT 1`, [
    user.id,
    provider.organization_id,
  ]);
  if (elsewhere.length === 0) return undefined;
  return 'You belong to other organizations as well: log in with a password or a passkey.';
}

async function makeUser(
  transaction: Transaction,
  provider: ProviderRow,
  email: string,
  name: string | undefined,
  { role, serverGroups }: LimitedRole,
): Promise<LocalUser> {
  const user = { id: newId('user'), name: nameFrom(name) ?? email, role, server_groups: serverGroups && [...serverGroups] };
  await transaction.query(`INSERT INTO users (id, organization_id, email, name) VALUES ($1, $2, $3, $4)`, [
    user.id,
    provider.organization_id,
    email,
    user.name,
  ]);
  await transaction.query(`INSERT INTO memberships (organization_id, user_id, role, server_groups) VALUES ($1, $2, $3, $4)`, [
    provider.organization_id,
    user.id,
    role,
    serverGroups,
  ]);
  return user;
}

/** As ours are: one line, not long. */
function nameFrom(name: string | undefined): string | undefined {
  return (
    name
      ?.replaceAll(/\p{Cc}/gu, ' ')
      .trim()
      .slice(0, 100) || undefined
  );
}

function secret(): string {
  return randomBytes(32).toString('base64url');
}

function placeOf(provider: ProviderRow, state: string) {
  return { organization: provider.organization_id, record: `sign-on/${tokenHash(state).toString('hex')}`, field: 'attempt' };
}
