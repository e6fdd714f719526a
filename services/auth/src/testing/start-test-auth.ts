import { randomBytes } from 'node:crypto';
import {
  newId,
  type AuthenticatedSubject,
  type CreatedInvitation,
  type EventPayload,
  type Principal,
  type Role,
  type TokenPair,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import { openServiceDatabase, provisionDatabase, type ServiceDatabase } from '@rahat/persistence';
import { createSecretBox } from '@rahat/secrets';
import { startTestApplication, type TestAnswer, type TestApplication } from '@rahat/service-kit/testing';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { AuthModule, configSchema, FirstStart, migrations } from '../index.js';

export const PASSWORD = 'planted-password horse battery';

type Act = EventPayload<'audit.recorded.v1'>;

export interface TestAuth extends AsyncDisposable {
  application: TestApplication;
  server: PostgresqlServer;
  database: ServiceDatabase;
  /** Ada, who owns Acme. */
  owner: Principal;
  organization: string;
  /** What the trail was told. */
  acts: Act[];
  call(method: string, path: string, body?: unknown, as?: Principal): Promise<TestAnswer>;
  /** Who the gateway says is behind a credential; undefined when nobody. */
  authenticate(credential: string): Promise<AuthenticatedSubject | undefined>;
  logIn(email: string, password?: string): Promise<TestAnswer>;
  /** The principal of a new session. */
  enter(email: string, password?: string): Promise<Principal & { accessToken: string; refreshToken: string }>;
  /** Invites and accepts, then logs in. */
  join(role: Role, email: string, by?: Principal): ReturnType<TestAuth['enter']>;
}

export async function startTestAuth(): Promise<TestAuth> {
  await using parts = new AsyncDisposableStack();
  const server = parts.use(await startPostgresql({ major: 15 }));
  const { serviceUrls } = await provisionDatabase({ adminUrl: server.connectionString(), services: [{ name: 'auth', password: 'pw' }] });
  const database = await openServiceDatabase({ url: serviceUrls['auth']!, service: 'auth', migrations, poolSize: 8 });
  parts.defer(() => database.close());
  const acts: Act[] = [];
  const outbox: Outbox = {
    command: async () => undefined,
    event: async (transaction, name, payload) => {
      if (name === 'audit.recorded.v1') transaction.afterCommit(() => acts.push(payload as Act));
    },
  };
  const application = await startTestApplication((runtime) =>
    AuthModule.register({
      runtime: { ...runtime, service: 'auth', database, outbox },
      config: configSchema.parse({}),
      secretBox: createSecretBox(randomBytes(32)),
    }),
  );
  parts.defer(() => application.close());

  const call: TestAuth['call'] = (method, path, body, as) => application.call(method, path, { body, as });
  const authenticate: TestAuth['authenticate'] = async (credential) => {
    const asker = application.service('gateway', 'platform');
    const { status, body } = await call('POST', '/internal/v1/authenticate', { credential, address: '10.0.0.9' }, asker);
    return status === 200 ? (body as AuthenticatedSubject) : undefined;
  };
  const principalOf = async (tokens: TokenPair) => {
    const { expiresAt: _until, ...subject } = (await authenticate(tokens.accessToken))!;
    const principal: Principal = { ...subject, address: '127.0.0.1', requestId: newId('request') };
    return { ...principal, accessToken: tokens.accessToken, refreshToken: tokens.refreshToken };
  };
  const logIn: TestAuth['logIn'] = (email, password = PASSWORD) => call('POST', '/api/v2/sessions', { email, password });
  const enter: TestAuth['enter'] = async (email, password) => principalOf((await logIn(email, password)).body as TokenPair);

  const token = await application.get(FirstStart).setupToken();
  const made = await call('POST', '/api/v2/setup', {
    organization: 'Acme',
    name: 'Ada',
    email: 'ada@example.org',
    password: PASSWORD,
    token,
  });
  const owner = await principalOf(made.body as TokenPair);
  const rest = parts.move();
  return {
    application,
    server,
    database,
    owner,
    organization: owner.organization,
    acts,
    call,
    authenticate,
    logIn,
    enter,
    async join(role, email, by = owner) {
      const { body } = await call('POST', '/api/v2/invitations', { email, role }, by);
      await call('POST', '/api/v2/invitations/accept', {
        token: (body as CreatedInvitation).token,
        name: email.split('@')[0],
        password: PASSWORD,
      });
      return enter(email);
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}
