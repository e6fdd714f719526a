import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import type { DataSource, MigrationInterface } from 'typeorm';
import { isTransactionConflict, translateDatabaseError } from './database-errors.js';
import { quoteIdentifier, quoteLiteral, schemaNamesOf, type SchemaNames } from './schema-names.js';
import { SteadyClient } from './steady-client.js';
import { wholeOrganization, type Questions, type ServiceDatabase, type Tenant, type Transaction } from './service-database.js';

export type Migration = new () => MigrationInterface;

export interface ServiceDatabaseOptions {
  /** Of the service's own role. */
  url: string;
  service: string;
  /** In order; a migration's `name` ends in 13 digits of time, as TypeORM wants it. */
  migrations: Migration[];
  poolSize: number;
  /** Entities for `transaction.manager`; plain SQL needs none. */
  entities?: (new () => unknown)[];
  log?: { debug(fields: object, message: string): void };
}

const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 30_000;
const LOCK_TIMEOUT_MS = 10_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000;
const MIGRATION_STATEMENT_TIMEOUT_MS = 30 * 60_000;
const ATTEMPTS = 5;
const BACKOFF_MS = 20;

/** Runs the service's migrations, under a lock so that replicas can start at once, and gives its database. */
export async function openServiceDatabase(options: ServiceDatabaseOptions): Promise<ServiceDatabase> {
  const names = schemaNamesOf(options.service);
  try {
    await migrate(options, names);
    const dataSource = await connect(options, names, options.poolSize, STATEMENT_TIMEOUT_MS, LOCK_TIMEOUT_MS);
    return new PostgresServiceDatabase(dataSource, names, options.log);
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

/** What TypeORM has underneath: a client of `pg`. */
interface Connection {
  query(statement: string | { name: string; text: string; values: unknown[] }, parameters?: unknown[]): Promise<{ rows?: unknown[] }>;
  connection: { stream: { cork(): void; uncork(): void } };
}

/** What is asked before this turn is over goes out in one piece: each would take longer to send than to make. */
function inOnePiece({ connection: { stream } }: Connection): void {
  stream.cork();
  process.nextTick(() => stream.uncork());
}

const statementNames = new Map<string, string>();

function statementName(sql: string): string {
  const known = statementNames.get(sql) ?? createHash('sha256').update(sql).digest('hex').slice(0, 32);
  statementNames.set(sql, known);
  return known;
}

class PostgresServiceDatabase implements ServiceDatabase {
  constructor(
    private readonly dataSource: DataSource,
    private readonly names: SchemaNames,
    private readonly log: ServiceDatabaseOptions['log'],
  ) {}

  inOrganization<T>(tenant: Tenant | string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const { organization, serverGroups } = typeof tenant === 'string' ? wholeOrganization(tenant) : tenant;
    if (serverGroups === null) return this.transact({ enter: enterOrganization(organization) }, work);
    return this.transact({ enter: enterGroups(organization, serverGroups, this.names), role: this.names.restrictedRole }, work);
  }

  asSystem<T>(reason: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    this.log?.debug({ schema: this.names.schema, reason }, 'acting across organizations');
    return this.transact({ enter: `SET LOCAL ROLE ${quoteIdentifier(this.names.systemRole)}` }, work);
  }

  async close(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  private async transact<T>(entry: Entry, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.transactOnce(entry, work);
      } catch (error) {
        if (!isTransactionConflict(error) || attempt === ATTEMPTS) throw translateDatabaseError(error);
        await sleep(BACKOFF_MS * 2 ** attempt * Math.random());
      }
    }
  }

  /**
   * Not by TypeORM's own words for it: each would be a round trip, and there are more of them than of questions. Nor is the first question
   * kept waiting for the beginning, because both go out together: whatever fails in that leaves a transaction in which all else fails.
   */
  private async transactOnce<T>({ enter, role }: Entry, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    const reactions: (() => void)[] = [];
    let ended: Promise<unknown> | undefined;
    try {
      const connection = (await runner.connect()) as Connection;
      try {
        inOnePiece(connection);
        const begun = connection.query(`START TRANSACTION; ${enter}`);
        const questions = questionsTo(connection, () => ended !== undefined);
        const last = <T>(ask: () => Promise<T>): Promise<T> => {
          inOnePiece(connection);
          const answer = ask();
          ended ??= connection.query('COMMIT');
          return answer;
        };
        const worked = work({
          ...questions,
          last: {
            query: (sql, parameters) => last(() => questions.query(sql, parameters)),
            prepared: (sql, parameters) => last(() => questions.prepared(sql, parameters)),
          },
          inWholeOrganization: (some) => (role === undefined ? some() : outOfRole(connection, role, some)),
          afterCommit: (react) => void reactions.push(react),
        });
        // Nothing is rolled back while it goes on; and what made all else fail is the error to tell.
        await Promise.allSettled([begun, worked]);
        await Promise.allSettled([ended]);
        await begun;
        const result = await worked;
        await (ended ?? connection.query('COMMIT'));
        reactions.forEach(quietly);
        return result;
      } catch (error) {
        // The first error is the one to tell; a broken connection can't be rolled back.
        await connection.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    } finally {
      await runner.release().catch(() => undefined);
    }
  }
}

/** They are on their way when the call returns. */
function questionsTo(connection: Connection, isOver: () => boolean): Questions {
  const ask = async <Row>(...question: Parameters<Connection['query']>): Promise<Row[]> => {
    if (isOver()) throw new RahatError('internal', 'Something was asked after the last question of a transaction');
    // Of several statements in one text nobody wants rows.
    return ((await connection.query(...question)).rows ?? []) as Row[];
  };
  return {
    query: (sql, parameters) => ask(sql, parameters),
    prepared: (sql, parameters) => ask({ name: statementName(sql), text: sql, values: parameters }),
  };
}

interface Entry {
  /** SQL. */
  enter: string;
  /** Of a tenant that is limited to server groups. */
  role?: string;
}

function enterOrganization(organization: string): string {
  return `SELECT set_config('app.organization_id', ${quoteLiteral(organization)}, true)`;
}

/** Which servers are meant is decided once, by the service's own role; what then is seen of them, by the policies of the role that is entered. */
function enterGroups(organization: string, serverGroups: readonly string[], { schema, restrictedRole }: SchemaNames): string {
  const groups = `ARRAY[${serverGroups.map(quoteLiteral).join(', ')}]::text[]`;
  const reached = `${quoteIdentifier(schema)}.reached_servers(${quoteLiteral(organization)}, ${groups})`;
  return `${enterOrganization(organization)}, set_config('app.server_groups', ${groups}::text, true);
    SELECT set_config('app.server_ids', (SELECT COALESCE(array_agg(id), '{}')::text FROM ${reached} AS id), true);
    SET LOCAL ROLE ${quoteIdentifier(restrictedRole)}`;
}

async function outOfRole<T>(connection: Connection, role: string, work: () => Promise<T>): Promise<T> {
  const enterAgain = () => connection.query(`SET LOCAL ROLE ${quoteIdentifier(role)}`);
  await connection.query('SET LOCAL ROLE NONE');
  let result: T;
  try {
    result = await work();
  } catch (error) {
    // Where PostgreSQL refuses this, too, it has given the transaction up, and nothing more is done in it.
    await enterAgain().catch(() => undefined);
    throw error;
  }
  await enterAgain();
  return result;
}

/** What is committed is committed: a failing reaction must not look like a failed transaction. */
function quietly(react: () => void): void {
  try {
    react();
  } catch {
    // Reactions only hasten what a poll finds anyway.
  }
}

async function migrate(options: ServiceDatabaseOptions, names: SchemaNames): Promise<void> {
  const dataSource = await connect(options, names, 2, MIGRATION_STATEMENT_TIMEOUT_MS, 0);
  const lockHolder = dataSource.createQueryRunner();
  try {
    const lock = `hashtextextended(${quoteLiteral(`rahat.migrations.${names.schema}`)}, 0)`;
    await lockHolder.query(`SELECT pg_advisory_lock(${lock})`);
    // The system role works on the same tables; only the tables' creator can say so for those to come.
    const systemRole = quoteIdentifier(names.systemRole);
    const schema = quoteIdentifier(names.schema);
    await lockHolder.query(`ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${systemRole}`);
    await lockHolder.query(`ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT USAGE ON SEQUENCES TO ${systemRole}`);
    await dataSource.runMigrations({ transaction: 'each' });
  } finally {
    // Ending the session gives the lock back, whatever happened.
    await lockHolder.release().catch(() => undefined);
    await dataSource.destroy();
  }
}

async function connect(
  options: ServiceDatabaseOptions,
  names: SchemaNames,
  poolSize: number,
  statementTimeoutMs: number,
  lockTimeoutMs: number,
): Promise<DataSource> {
  // Processes without a database of their own load what is here as well; it is the largest part of their code.
  const typeorm = await import('typeorm');
  const dataSource = new typeorm.DataSource({
    type: 'postgres',
    url: options.url,
    schema: names.schema,
    applicationName: `rahat-${options.service}`,
    poolSize,
    entities: options.entities ?? [],
    migrations: options.migrations,
    migrationsTableName: 'migrations',
    // An idle connection that breaks is replaced by the pool; it must not end the process.
    poolErrorHandler: () => undefined,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    installExtensions: false,
    extra: {
      Client: SteadyClient,
      // Here, because each transaction would have to say it in a statement of its own.
      options: '-c default_transaction_isolation=read\\ committed',
      statement_timeout: statementTimeoutMs,
      lock_timeout: lockTimeoutMs,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
      keepAlive: true,
      // Nobody who asks twice in a row waits for the first answer before the second question goes out.
      pipeline: true,
    },
  });
  return dataSource.initialize();
}
