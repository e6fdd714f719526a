import { newId, type Principal, type Role } from '@rahat/contracts';
import type { TestAnswer } from '@rahat/service-kit/testing';
import { hashPassword } from '../passwords/password-hash.js';
import { PASSWORD, startTestAuth, type TestAuth } from './start-test-auth.js';

export interface TestUser {
  id: string;
  organization: string;
  email: string;
}

/** A test's auth service in which users and organizations are there at once, without an invitation each. */
export interface AuthWorld extends Omit<TestAuth, 'authenticate' | 'logIn'> {
  addOrganization(name: string): Promise<string>;
  addUser(change?: { role?: Role; organization?: string; email?: string }): Promise<TestUser>;
  logIn(user: TestUser): Promise<TestAnswer>;
  authenticate(credential: string): Promise<TestAnswer>;
  /** Who is behind a credential, as the gateway would say it. */
  principalOf(credential: string): Promise<Principal>;
  /** A user's principal by a fresh log-in without a second factor. */
  principal(user: TestUser): Promise<Principal>;
  /** Nobody waits for a back-off any more. */
  forgetFailures(): Promise<void>;
}

export async function startAuthWorld(config: Record<string, string> = {}): Promise<AuthWorld> {
  const auth = await startTestAuth(config);
  const { server, call, organization } = auth;
  const passwordHash = await hashPassword(PASSWORD);
  let users = 0;

  const authenticate: AuthWorld['authenticate'] = (credential) =>
    call('POST', '/internal/v1/authenticate', { credential, address: '10.0.0.9' }, auth.application.service('gateway', organization));
  const principalOf = async (credential: string): Promise<Principal> => {
    const subject = await auth.authenticate(credential);
    if (subject === undefined) throw new Error('the credential was refused');
    const { expiresAt: _until, requestsPerMinute: _limit, ...rest } = subject;
    return { ...rest, address: '127.0.0.1', requestId: newId('request') };
  };
  const logIn: AuthWorld['logIn'] = (user) => auth.logIn(user.email);

  return {
    ...auth,
    authenticate,
    principalOf,
    logIn,
    async addOrganization(name) {
      const id = newId('organization');
      await server.query(`INSERT INTO auth.organizations (organization_id, name) VALUES ($1, $2)`, [id, name]);
      return id;
    },
    async addUser({ role = 'owner', organization: of = organization, email = `user${++users}@example.org` } = {}) {
      const user = { id: newId('user'), organization: of, email };
      await server.query(`INSERT INTO auth.users (id, organization_id, email, name, password_hash) VALUES ($1, $2, $3, $4, $5)`, [
        user.id,
        of,
        email,
        email.split('@')[0],
        passwordHash,
      ]);
      await server.query(`INSERT INTO auth.memberships (organization_id, user_id, role) VALUES ($1, $2, $3)`, [of, user.id, role]);
      return user;
    },
    principal: async (user) => principalOf((await logIn(user)).body.accessToken as string),
    forgetFailures: async () => void (await server.query(`TRUNCATE auth.login_failures`)),
  };
}
