import { RahatError, type Page, type PageQuery, type Principal, type Session, type User } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { ListPages, recordAct, type Cursors } from '@rahat/service-kit';
import { endSessions } from '../users/departure.js';
import { callerNow, demandReach } from '../users/reach.js';

interface SessionRow {
  id: string;
  organization_id: string;
  organization_name: string;
  address: string;
  user_agent: string | null;
  created_at: Date;
  seen_at: Date;
  expires_at: Date;
}

/** Where somebody is logged in, and how to end that. */
export class SessionOverview {
  private readonly pages: ListPages;

  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    cursors: Cursors,
  ) {
    this.pages = new ListPages(cursors, 'sessions');
  }

  /** In all of the caller's organizations. */
  async listOwn(principal: Principal, page: PageQuery): Promise<Page<Session>> {
    const user = userOf(principal);
    return this.database.asSystem('list the sessions of a user', (transaction) => this.list(transaction, principal, user, null, page));
  }

  async listOfMember(principal: Principal, member: User, page: PageQuery): Promise<Page<Session>> {
    return this.database.inOrganization(principal.organization, (transaction) =>
      this.list(transaction, principal, member.id, principal.organization, page),
    );
  }

  async endOwn(principal: Principal, session: string): Promise<void> {
    const user = userOf(principal);
    await this.database.asSystem('end a session of a user', async (transaction) => {
      const [ended] = await transaction.query<{ organization_id: string }>(
        `UPDATE sessions SET revoked_at = now(), revoked_because = 'ended by its user' WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING organization_id`,
        [session, user],
      );
      if (ended === undefined) throw new RahatError('not_found', 'You have no such session.');
      await this.record(transaction, principal, ended.organization_id, 'session.ended', { kind: 'session', id: session }, {});
    });
  }

  /** All of the caller's but the one that asks. */
  async endOthers(principal: Principal): Promise<number> {
    const user = userOf(principal);
    return this.database.asSystem('end the other sessions of a user', async (transaction) => {
      const ended = await endSessions(transaction, { user, except: principal.session, because: 'ended by its user' });
      const target = { kind: 'user', id: user, name: principal.name };
      await this.record(transaction, principal, principal.organization, 'session.others_ended', target, { ended });
      return ended;
    });
  }

  async endOfMember(principal: Principal, member: User): Promise<number> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
      demandReach(await callerNow(transaction, principal, 'user:write'), member, 'end the sessions of an');
      const ended = await endSessions(transaction, { user: member.id, organization: principal.organization, because: 'ended by an admin' });
      const target = { kind: 'user', id: member.id, name: member.name };
      await this.record(transaction, principal, principal.organization, 'user.sessions_ended', target, { ended });
      return ended;
    });
  }

  private async list(
    transaction: Transaction,
    principal: Principal,
    user: string,
    organization: string | null,
    page: PageQuery,
  ): Promise<Page<Session>> {
    const [before = null] = this.pages.after(page.cursor);
    const rows = await transaction.query<SessionRow>(
      `SELECT s.id, s.organization_id, o.name AS organization_name, s.address, s.user_agent, s.created_at, s.seen_at, s.expires_at
       FROM sessions s JOIN organizations o USING (organization_id)
       WHERE s.user_id = $1 AND ($2::text IS NULL OR s.organization_id = $2) AND s.revoked_at IS NULL AND s.expires_at > now() AND ($3::text IS NULL OR s.id < $3)
       ORDER BY s.id DESC LIMIT $4`,
      [user, organization, before, page.limit + 1],
    );
    return this.pages.page(
      rows,
      page.limit,
      (row) => present(row, principal),
      (row) => [row.id],
    );
  }

  private async record(
    transaction: Transaction,
    principal: Principal,
    organization: string,
    action: string,
    target: { kind: string; id: string; name?: string },
    details: Record<string, unknown>,
  ): Promise<void> {
    await recordAct(this.outbox, transaction, { ...principal, organization }, { action, target, details });
  }
}

/** What belongs to a person, an API key can't have. */
export function userOf(principal: Principal): string {
  if (principal.kind !== 'user')
    throw new RahatError('forbidden', 'Only a logged-in user can do this.', {
      hint: 'An API key acts for an organization, not for a person.',
    });
  return principal.subject;
}

function present(row: SessionRow, principal: Principal): Session {
  return {
    id: row.id,
    organization: { id: row.organization_id, name: row.organization_name },
    address: row.address,
    userAgent: row.user_agent,
    createdAt: row.created_at.toISOString(),
    lastSeenAt: row.seen_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
    current: row.id === principal.session,
  };
}
