import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectorSession, RestoreFacts, RestoreOutline, SafetyCopyRequest } from '@rahat/connector-kit';
import { Merge } from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory, connectionTo, quietJob } from '../physical/test-parts.js';

/** Foreign keys of every kind: a chain, one to its own table, a circle that can wait, one from a table without a key. */
const SHOP_SQL = `
  CREATE TABLE country (code char(2) PRIMARY KEY, name text UNIQUE);
  CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, country char(2) REFERENCES country,
    boss int REFERENCES customer, note json, twice int GENERATED ALWAYS AS (id * 2) STORED);
  CREATE TABLE orders (id serial PRIMARY KEY, customer int NOT NULL REFERENCES customer ON DELETE CASCADE, at timestamptz NOT NULL, net numeric, last_line int);
  CREATE TABLE line (orders int REFERENCES orders ON DELETE CASCADE, number int, what text, PRIMARY KEY (orders, number));
  ALTER TABLE orders ADD CONSTRAINT last_line FOREIGN KEY (id, last_line) REFERENCES line (orders, number) DEFERRABLE;
  CREATE TABLE log (at int, what text, more json);
  CREATE TABLE review (id int PRIMARY KEY, customer int REFERENCES customer ON DELETE CASCADE);
  CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := '2000-01-01'; RETURN NEW; END $$;
  CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
  ALTER TABLE orders DISABLE TRIGGER stamp;
  INSERT INTO country VALUES ('tr', 'Türkiye'), ('de', E'Deutsch\\tland\\n');
  INSERT INTO customer (email, country, boss, note) SELECT n || '@x', 'tr', nullif(n - 1, 0), '{"a":  1}' FROM generate_series(1, 20) n;
  INSERT INTO orders (customer, at, net) SELECT 1 + n % 20, timestamptz '2026-01-01' + n * interval '1 hour', n / 3.0 FROM generate_series(1, 200) n;
  INSERT INTO line SELECT o.id, n, 'what ' || n FROM orders o, generate_series(1, 3) n;
  UPDATE orders SET last_line = 3;
  ALTER TABLE orders ENABLE TRIGGER stamp;
  INSERT INTO log SELECT n % 5, 'line ' || n % 3, '[]' FROM generate_series(1, 50) n;`;

export type Ordered = Partial<Merge> & { tables?: [string, string][] };

/** A server with a backup of a shop, and copies of it to restore into. */
export class LiveShop implements AsyncDisposable {
  #copies = 0;
  #restores = 0;

  private constructor(
    readonly server: PostgresqlServer,
    readonly backup: ArtifactsInMemory,
    readonly session: ConnectorSession,
    private readonly scratchFolder: string,
  ) {}

  static async open(): Promise<LiveShop> {
    const scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-live-'));
    const server = await startPostgresql({ major: 15 });
    const session = await postgresqlConnector.open(connectionTo(server), contextIn(scratchFolder));
    await server.query('CREATE DATABASE shop');
    await server.query(SHOP_SQL, undefined, 'shop');
    const backup = new ArtifactsInMemory();
    backup.facts = await session.backup({ method: 'postgresql.logical', database: 'shop', label: 'rahat-run' }, backup, quietJob);
    return new LiveShop(server, backup, session, scratchFolder);
  }

  /** A database like the backed-up one, after this SQL. */
  async database(sql = ''): Promise<string> {
    const name = `live_${++this.#copies}`;
    await this.server.query(`CREATE DATABASE ${name} TEMPLATE shop`);
    if (sql !== '') await this.server.query(sql, undefined, name);
    return name;
  }

  as(user: string, password: string): Promise<ConnectorSession> {
    return postgresqlConnector.open({ ...connectionTo(this.server), user, password }, contextIn(this.scratchFolder));
  }

  restore(database: string, ordered: Ordered, session = this.session, job = quietJob): Promise<RestoreFacts> {
    return session.restore(requestOf(database, ordered, ++this.#restores), this.backup, job);
  }

  plan(database: string, ordered: Ordered, session = this.session): Promise<RestoreOutline> {
    return session.planRestore(requestOf(database, ordered), this.backup, quietJob);
  }

  undo(facts: RestoreFacts, changed: Partial<SafetyCopyRequest> = {}): Promise<RestoreFacts> {
    const { database, schema } = facts.safetyCopy!;
    return this.session.endSafetyCopy(
      { database, schema, action: 'undo', force: false, lockWaitSeconds: 2, label: 'undo', ...changed },
      quietJob,
    );
  }

  /** Count and hash of each table's rows, and its constraints and triggers. */
  async state(database: string): Promise<Record<string, string>> {
    const tables = await this.server.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname !~ '^pg_|information_schema' ORDER BY 1`,
      [],
      database,
    );
    const state: Record<string, string> = {};
    for (const { name } of tables) {
      const [row] = await this.server.query<{ sum: string }>(
        `SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) AS sum FROM ${name} t`,
        [],
        database,
      );
      state[name] = row!.sum;
    }
    const [rest] = await this.server.query<{ sum: string }>(
      `SELECT string_agg(x, ';' ORDER BY x) AS sum FROM (SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) AS x FROM pg_constraint WHERE conrelid <> 0 AND connamespace = 'public'::regnamespace
         UNION ALL SELECT tgrelid::regclass || tgname || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal) y`,
      [],
      database,
    );
    return { ...state, constraints: rest!.sum };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    rmSync(this.scratchFolder, { recursive: true, force: true });
  }
}

function requestOf(database: string, { tables, ...merge }: Ordered, attempt = 0) {
  return {
    target: { kind: 'database' as const, name: database, replace: false },
    ...(tables && { tables }),
    merge: Merge.parse({ conflict: 'replace', lockWaitSeconds: 1, ...merge }),
    label: `run_${database}_${attempt}`,
  };
}

function contextIn(scratchFolder: string) {
  return { toolFolders: [], scratchFolder, signal: new AbortController().signal };
}
