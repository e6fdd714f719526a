import { randomBytes } from 'node:crypto';
import type { StoredEntry } from '@rahat/audit-trail';
import { ROLE_SCOPES, type Principal } from '@rahat/contracts';
import { openServiceDatabase, provisionDatabase, type ServiceDatabase } from '@rahat/persistence';
import { createSecretBox } from '@rahat/secrets';
import type { Cursors } from '@rahat/service-kit';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { TrailService, type Recorded } from '../entries/trail.service.js';
import { Export } from '../export/export.js';
import { Heads } from '../heads/heads.js';
import { SigningKeys } from '../heads/signing-keys.js';
import { auditMigrations } from '../migrations/index.js';
import { Retention } from '../retention/retention.js';
import { TrailSearch } from '../search/trail-search.js';
import { Verification } from '../verification/verification.js';

/** The parts of the audit service on a PostgreSQL server of its own. */
export interface TestTrail extends AsyncDisposable {
  server: PostgresqlServer;
  database: ServiceDatabase;
  /** Of the service's own role. */
  url: string;
  heads: Heads;
  search: TrailSearch;
  verification: Verification;
  retention: Retention;
  exports: Export;
  keys: SigningKeys;
  trail: TrailService;
  record(organization: string, name: string, more?: Partial<Recorded>): Promise<StoredEntry>;
  /** As somebody who holds the database server: no trigger, no row security. */
  asSuperuser(sql: string): Promise<unknown>;
}

const CURSORS: Cursors = {
  encode: (position) => JSON.stringify(position),
  decode: (cursor, schema) => schema.parse(JSON.parse(cursor)) as never,
};

export async function openTestTrail(major: 15 | 18 = 15): Promise<TestTrail> {
  const server = await startPostgresql({ major });
  const { serviceUrls } = await provisionDatabase({ adminUrl: server.connectionString(), services: [{ name: 'audit', password: 'pw' }] });
  const url = serviceUrls['audit']!;
  const database = await openServiceDatabase({ url, service: 'audit', migrations: auditMigrations, poolSize: 8 });
  const keys = new SigningKeys(database, createSecretBox(randomBytes(32)));
  const heads = new Heads(database, keys, CURSORS);
  const trail = new TrailService(heads);
  return {
    server,
    database,
    url,
    keys,
    heads,
    trail,
    search: new TrailSearch(database, CURSORS),
    verification: new Verification(database, keys),
    retention: new Retention(database, trail, keys),
    exports: new Export(database, trail, keys),
    record: (organization, name, more) =>
      database.asSystem('test', (transaction) => trail.append(transaction, { ...act(organization, name), ...more })),
    asSuperuser: (sql) => server.query(`SET session_replication_role = replica; ${sql}; RESET session_replication_role`),
    async [Symbol.asyncDispose]() {
      await database.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

function act(organization: string, name: string): Recorded {
  return {
    organization,
    actor: { kind: 'user', id: 'user_1', name: 'Ada', address: '127.0.0.1' },
    action: 'plan.created',
    target: { kind: 'plan', id: name, name },
    details: {},
    at: new Date().toISOString(),
  };
}

export function ownerOf(organization: string): Principal {
  return {
    kind: 'user',
    subject: 'user_1',
    name: 'Ada',
    organization,
    role: 'owner',
    scopes: [...ROLE_SCOPES.owner],
    serverGroups: null,
    address: '127.0.0.1',
    requestId: 'request_1',
  };
}
