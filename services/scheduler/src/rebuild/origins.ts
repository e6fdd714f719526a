import { METHODS, newId, type ReadableSnapshot } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import { coveredBy, type DatabaseRow } from '../databases/databases.table.js';
import { selectsServer } from '../plans/plan-servers.js';
import type { PlanRow } from '../plans/plans.table.js';
import type { RunRow } from '../runs/runs.table.js';
import type { ServerRow } from '../servers/servers.table.js';

/** Where a found backup belongs in the catalog. */
export interface Origin {
  server: Pick<ServerRow, 'id' | 'name'>;
  database: string | null;
  plan: Pick<PlanRow, 'id' | 'name'> | null;
}

/**
 * Finds servers, databases and plans by what manifests say of them: the ledger's word first, then ids, then what the server says it is.
 * A server that nobody knows any more is written down as a deleted one, which is what it is: its backups can be browsed, verified, and
 * restored to another server.
 */
export class Origins {
  private constructor(
    private readonly transaction: Transaction,
    private readonly rebuild: RunRow,
    private readonly now: Date,
    private readonly servers: ServerRow[],
    private readonly databases: DatabaseRow[],
    private readonly plans: PlanRow[],
    private readonly runs: ReadonlyMap<string, RunRow>,
  ) {}

  static async of(transaction: Transaction, rebuild: RunRow, found: readonly ReadableSnapshot[], now: Date): Promise<Origins> {
    const runs = await transaction.query<RunRow>(`SELECT * FROM runs WHERE id = ANY ($1::text[]) AND type = 'backup'`, [
      found.map(({ run }) => run),
    ]);
    const servers = await transaction.query<ServerRow>(
      `SELECT * FROM servers WHERE id = ANY ($1::text[]) OR identity = ANY ($2::text[]) ORDER BY id`,
      [[...found.map(({ server }) => server.id), ...runs.map((run) => run.server_id)], found.map(({ server }) => server.identity)],
    );
    const databases = await transaction.query<DatabaseRow>(
      `SELECT * FROM databases WHERE server_id = ANY ($1::text[]) AND name = ANY ($2::text[])`,
      [servers.map(({ id }) => id), found.flatMap(({ database }) => database?.name ?? [])],
    );
    const plans = await transaction.query<PlanRow>(
      `SELECT * FROM plans WHERE id = ANY ($1::text[]) OR (repository_id = $2 AND deleted_at IS NULL) ORDER BY id`,
      [[...found.flatMap(({ plan }) => plan?.id ?? []), ...runs.map((run) => run.plan_id)], rebuild.repository_id],
    );
    return new Origins(transaction, rebuild, now, servers, databases, plans, new Map(runs.map((run) => [run.id, run])));
  }

  async originOf(found: ReadableSnapshot): Promise<Origin> {
    const run = this.runs.get(found.run);
    const server = this.serverOf(found, run) ?? (await this.writeDownServer(found));
    const database = found.database ? (this.databaseOf(found, server) ?? (await this.writeDownDatabase(found, server))) : undefined;
    return { server, database: database?.id ?? null, plan: this.planOf(found, run, server, database) ?? null };
  }

  private serverOf({ server: { id, identity, name } }: ReadableSnapshot, run: RunRow | undefined): ServerRow | undefined {
    const known = this.servers.find((server) => server.id === (run?.server_id ?? id)) ?? this.servers.find((server) => server.id === id);
    if (known) return known;
    // A standby says the same of itself as its primary does: where several do, the name decides, else nothing.
    const same = this.servers.filter((server) => server.identity === identity);
    const living = same.filter((server) => !server.deleted_at);
    return living.find((server) => server.name === name) ?? (living.length === 1 ? living[0] : same.find((server) => server.name === name));
  }

  private databaseOf({ database }: ReadableSnapshot, server: ServerRow): DatabaseRow | undefined {
    const onServer = this.databases.filter((row) => row.server_id === server.id);
    return onServer.find(({ id }) => id === database!.id) ?? onServer.find(({ name }) => name === database!.name);
  }

  private planOf(
    found: ReadableSnapshot,
    run: RunRow | undefined,
    server: ServerRow,
    database: DatabaseRow | undefined,
  ): PlanRow | undefined {
    const named = this.plans.find(({ id }) => id === (run?.plan_id ?? found.plan?.id));
    if (named) return named;
    const covering = this.plans.filter(
      (plan) =>
        plan.repository_id === this.rebuild.repository_id &&
        plan.deleted_at === null &&
        plan.method === found.method &&
        !server.deleted_at &&
        selectsServer(plan, server) &&
        (METHODS[plan.method].covers === 'server' ||
          (database !== undefined && coveredBy(plan, [{ ...database, missing_since: null }]).length > 0)),
    );
    // A manifest that names a plan which is gone belongs to none; an older manifest names none.
    return !found.plan && covering.length === 1 ? covering[0] : undefined;
  }

  private async writeDownServer(found: ReadableSnapshot): Promise<ServerRow> {
    const { id, name, identity, version } = found.server;
    const insert = (as: string) =>
      this.transaction.query<ServerRow>(
        `INSERT INTO servers (id, organization_id, name, engine, address, sealed_password, password_set_at, pool, identity, version, created_at, deleted_at)
         VALUES ($1, $2, $3, $4, $5, '', $6, 'default', $7, $8, $6, $6) ON CONFLICT DO NOTHING RETURNING *`,
        [as, this.rebuild.organization_id, name, found.engine, JSON.stringify(NOWHERE), this.now, identity, version],
      );
    // An id that another organization's server has is not seen here, and is left to it.
    const [row] = await insert(id);
    const server = row ?? (await insert(newId('server')))[0]!;
    this.servers.push(server);
    return server;
  }

  private async writeDownDatabase(found: ReadableSnapshot, server: ServerRow): Promise<DatabaseRow> {
    const insert = (as: string) =>
      this.transaction.query<DatabaseRow>(
        `INSERT INTO databases (id, organization_id, server_id, name, size_bytes, encoding, "collation", connectable, discovered_at, missing_since)
         VALUES ($1, $2, $3, $4, $5, '', '', true, $6, $6) ON CONFLICT DO NOTHING RETURNING *`,
        [as, this.rebuild.organization_id, server.id, found.database!.name, found.sizeBytes, this.now],
      );
    const [row] = found.database!.id === undefined ? [] : await insert(found.database!.id);
    const database = row ?? (await insert(newId('database')))[0]!;
    this.databases.push(database);
    return database;
  }
}

/** Of a server that is known from manifests alone, which name no address. */
const NOWHERE = { host: '', port: 5432, user: '' };
