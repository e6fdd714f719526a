import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type Page, type PageQuery } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { CURSORS, type Cursors } from '@rahat/service-kit';
import { ApiKeysService } from '../api-keys/api-keys.service.js';
import { InvitationsService } from '../invitations/invitations.service.js';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { SessionOverview } from '../sessions/session-overview.js';
import { startTestAuth, type TestAuth } from '../testing/start-test-auth.js';
import { UsersService } from './users.service.js';

const MEMBERS = 1_000;
const TABLES = 'memberships|users|invitations|api_keys|sessions';

let auth: TestAuth;
let services: ReturnType<typeof servicesOn>;
/** Plans of the pages that were asked for. */
const plans: string[] = [];

beforeAll(async () => {
  auth = await startTestAuth();
  services = servicesOn(explaining(auth.database), auth.application.get<Cursors>(CURSORS));
  for (const organization of [auth.organization, newId('organization')]) await fill(organization);
  await auth.server.query('ANALYZE');
}, 120_000);
afterAll(async () => auth?.[Symbol.asyncDispose]());

describe('in organizations of thousands', () => {
  const lists: [string, (page: PageQuery) => Promise<Page<{ id: string }>>][] = [
    ['users', (page) => services.users.list(auth.owner, page)],
    ['invitations', (page) => services.invitations.list(auth.owner, page)],
    ['API keys', (page) => services.apiKeys.list(auth.owner, page)],
    ['own API keys', (page) => services.apiKeys.list({ ...auth.owner, role: 'viewer', scopes: [] }, page)],
    ['own sessions', (page) => services.sessions.listOwn(auth.owner, page)],
    ['organizations', (page) => services.organizations.list(auth.owner, page)],
  ];

  it.each(lists)('a page of %s is read by an index', async (_name, list) => {
    plans.length = 0;
    const first = await list({ limit: 20 });
    if (first.page.nextCursor !== null) await list({ limit: 20, cursor: first.page.nextCursor });
    expect(plans.length).toBeGreaterThan(0);
    for (const plan of plans) expect(plan).not.toMatch(new RegExp(`Seq Scan on (${TABLES})`));
  });

  it('pages lead through all of a list, once through each', async () => {
    const seen: string[] = [];
    for (let cursor: string | undefined, more = true; more;) {
      const { data, page } = await services.users.list(auth.owner, { limit: 200, cursor });
      seen.push(...data.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
      more = page.hasMore;
    }
    expect(new Set(seen).size).toBe(MEMBERS + 1);
    expect(seen).toHaveLength(MEMBERS + 1);
  });
});

function servicesOn(database: ServiceDatabase, cursors: Cursors) {
  const outbox: Outbox = { command: async () => undefined, event: async () => undefined };
  return {
    users: new UsersService(database, outbox, cursors),
    invitations: new InvitationsService(database, outbox, cursors),
    apiKeys: new ApiKeysService(database, outbox, cursors),
    sessions: new SessionOverview(database, outbox, cursors),
    organizations: new OrganizationsService(database, outbox, cursors),
  };
}

/** The real database, which also says how it reads a page: as the same role and under the same row security. */
function explaining(database: ServiceDatabase): ServiceDatabase {
  const spied = (transaction: Transaction): Transaction => ({
    ...transaction,
    afterCommit: (react) => transaction.afterCommit(react),
    async query(sql, parameters) {
      if (sql.includes('LIMIT')) {
        const rows = await transaction.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, parameters);
        plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
      }
      return transaction.query(sql, parameters);
    },
  });
  return {
    inOrganization: (organization, work) => database.inOrganization(organization, (transaction) => work(spied(transaction))),
    asSystem: (reason, work) => database.asSystem(reason, (transaction) => work(spied(transaction))),
    close: async () => undefined,
  };
}

/** Ids sort as those of the product do; all that the owner has too is made by one of the members. */
async function fill(organization: string): Promise<void> {
  const sql = (statement: string) =>
    auth.server.query(statement.replaceAll('ORGANIZATION', organization).replaceAll('OWNER', auth.owner.subject));
  const id = (prefix: string) => `'${prefix}_' || md5('ORGANIZATION' || n)`;
  await sql(`INSERT INTO auth.organizations (organization_id, name) VALUES ('ORGANIZATION', 'Many') ON CONFLICT DO NOTHING`);
  await sql(
    `INSERT INTO auth.users (id, organization_id, email, name) SELECT ${id('user')}, 'ORGANIZATION', md5('ORGANIZATION' || n) || '@example.org', 'Member ' || n FROM generate_series(1, ${MEMBERS}) n`,
  );
  await sql(
    `INSERT INTO auth.memberships (organization_id, user_id, role) SELECT 'ORGANIZATION', ${id('user')}, 'viewer' FROM generate_series(1, ${MEMBERS}) n`,
  );
  await sql(`INSERT INTO auth.invitations (id, organization_id, email, role, token_hash, invited_by, expires_at)
    SELECT ${id('invitation')}, 'ORGANIZATION', 'guest' || n || '@example.org', 'viewer', sha256(convert_to('ORGANIZATION' || n, 'UTF8')), ${id('user')}, now() + interval '7 days' FROM generate_series(1, ${MEMBERS}) n`);
  await sql(
    `INSERT INTO auth.api_keys (id, organization_id, name, secret_hash, scopes, created_by) SELECT ${id('key')}, 'ORGANIZATION', 'k', '', '{plan:read}', ${id('user')} FROM generate_series(1, ${MEMBERS}) n`,
  );
  await sql(`INSERT INTO auth.sessions (id, organization_id, user_id, cookie_hash, address, expires_at)
    SELECT ${id('session')}, 'ORGANIZATION', ${id('user')}, sha256(convert_to('ORGANIZATION' || n, 'UTF8')), '127.0.0.1', now() + interval '1 day' FROM generate_series(1, ${MEMBERS}) n`);
}
