import { randomBytes } from 'node:crypto';
import { newId, type AuthenticatedSubject, type Principal, type Role } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import { openServiceDatabase, provisionDatabase, type ServiceDatabase } from '@rahat/persistence';
import { createSecretBox } from '@rahat/secrets';
import { startTestApplication, type TestAnswer, type TestApplication } from '@rahat/service-kit/testing';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { AuthModule, configSchema, FirstStart, migrations } from '../index.js';
import { hashPassword } from '../passwords/password-hash.js';

export const PASSWORD = 'planted-password horse battery';

export interface SentAct {
  organization: string;
  action: string;
  actor: { id: string; name: string; address?: string };
  target: { id: string };
  details: Record<string, unknown>;
}

export interface TestUser {
  id: string;
  organization: string;
  email: string;
}

/** The auth service on a real PostgreSQL, with an organization in which tests put their users. */
export interface AuthWorld extends AsyncDisposable {
  readonly application: TestApplication;
  readonly server: PostgresqlServer;
  readonly database: ServiceDatabase;
  readonly organization: string;
  /** Everything that was told to the trail. */
  readonly acts: SentAct[];
  call(method: string, path: string, body?: unknown, as?: Principal, headers?: Record<string, string>): Promise<TestAnswer>;
  addOrganization(name: string): Promise<string>;
  addUser(change?: { role?: Role; organization?: string; email?: string; password?: string | null }): Promise<TestUser>;
  logIn(user: TestUser, password?: string): Promise<TestAnswer>;
  authenticate(credential: string): Promise<TestAnswer>;
  /** Who is behind a credential, as the gateway would say it. */
  principalOf(credential: string): Promise<Principal>;
  /** A user's principal by a fresh log-in without a second factor. */
  principal(user: TestUser): Promise<Principal>;
  /** Nobody waits for a back-off any more. */
  forgetFailures(): Promise<void>;
}

export async function startAuthWorld(config: Record<string, string> = {}): Promise<AuthWorld> {
  const server = await startPostgresql({ major: 15 });
  const { serviceUrls } = await provisionDatabase({ adminUrl: server.connectionString(), services: [{ name: 'auth', password: 'pw' }] });
  const database = await openServiceDatabase({ url: serviceUrls['auth']!, service: 'auth', migrations, poolSize: 5 });
  const acts: SentAct[] = [];
  const outbox: Outbox = {
    command: async () => undefined,
    event: async (_transaction, name, payload) => void (name === 'audit.recorded.v1' && acts.push(payload as unknown as SentAct)),
  };
  const application = await startTestApplication((runtime) =>
    AuthModule.register({
      runtime: { ...runtime, service: 'auth', database, outbox },
      config: configSchema.parse(config),
      secretBox: createSecretBox(randomBytes(32)),
    }),
  );
  const organization = await application.get(FirstStart).defaultOrganization();
  const passwordHash = await hashPassword(PASSWORD);
  let users = 0;

  const call: AuthWorld['call'] = (method, path, body, as, headers) => application.call(method, path, { body, as, headers });
  const authenticate = (credential: string) =>
    call('POST', '/internal/v1/authenticate', { credential, address: '10.0.0.9' }, application.service('gateway', organization));
  const principalOf = async (credential: string): Promise<Principal> => {
    const { status, body } = await authenticate(credential);
    if (status !== 200) throw new Error(`the credential was refused: ${JSON.stringify(body)}`);
    const { expiresAt: _until, ...subject } = body as AuthenticatedSubject;
    return { ...subject, address: '127.0.0.1', requestId: newId('request') };
  };
  const logIn = (user: TestUser, password = PASSWORD) => call('POST', '/api/v2/sessions', { email: user.email, password });

  return {
    application,
    server,
    database,
    organization,
    acts,
    call,
    authenticate,
    principalOf,
    logIn,
    async addOrganization(name) {
      const id = newId('organization');
      await server.query(`INSERT INTO auth.organizations (organization_id, name) VALUES ($1, $2)`, [id, name]);
      return id;
    },
    async addUser({ role = 'owner', organization: of = organization, email = `user${++users}@example.org`, password } = {}) {
      const user = { id: newId('user'), organization: of, email };
      const hash = password === null ? null : password === undefined ? passwordHash : await hashPassword(password);
      await server.query(`INSERT INTO auth.users (id, organization_id, email, name, password_hash) VALUES ($1, $2, $3, $4, $5)`, [
        user.id,
        of,
        email,
        email.split('@')[0],
        hash,
      ]);
      await server.query(`INSERT INTO auth.memberships (organization_id, user_id, role) VALUES ($1, $2, $3)`, [of, user.id, role]);
      return user;
    },
    principal: async (user) => principalOf((await logIn(user)).body.accessToken as string),
    forgetFailures: async () => void (await server.query(`TRUNCATE auth.login_failures`)),
    async [Symbol.asyncDispose]() {
      await application.close();
      await database.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
