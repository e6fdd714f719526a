import { carriesTags, newId, type Answer, type DatabaseQuery, type Principal, type UpdateDatabase } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import { wholeOrganization, type TenantDatabase, type Transaction } from '@rahat/persistence';
import { changesBetween, recordAct } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import { replanFor } from '../plans/plan-servers.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import { findServer, type ServerRow } from '../servers/servers.table.js';
import type { WorkerQuestions } from '../servers/worker-questions.js';
import { recordOwnAct } from '../trail/trail.js';
import { databasesOf, findDatabase, presentDatabase, type DatabaseRow } from './databases.table.js';

type Found = Answer<'server.discover.v1'>['databases'][number];

export class DiscoveryService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly questions: WorkerQuestions,
    private readonly secrets: ServerSecrets,
    private readonly clock: Clock,
  ) {}

  /** Asks the server which databases it has. An error of the asking changes nothing: a server out of reach has lost no database. */
  async discover(principal: Principal, serverId: string): Promise<DatabaseRow[]> {
    const server = await this.database.inOrganization(principal, (transaction) => findServer(transaction, serverId));
    return this.discoverOn(server, principal);
  }

  /** By the scheduler itself where no `principal` asks. */
  async discoverOn(server: ServerRow, principal?: Principal): Promise<DatabaseRow[]> {
    const { databases } = await this.questions.discover(server.pool, server.engine, this.secrets.connectionOf(server));
    return this.database.inOrganization(principal ?? wholeOrganization(server.organization_id), async (transaction) => {
      await transaction.query(`UPDATE servers SET discovered_at = $2 WHERE id = $1`, [server.id, this.clock.now()]);
      await this.recordUse(transaction, server, principal, databases.length);
      const changed = await this.take(transaction, server, databases);
      if (changed) await replanFor(transaction, server);
      return databasesOf(transaction, server.id);
    });
  }

  async list(principal: Principal, serverId: string, { tag }: DatabaseQuery): Promise<DatabaseRow[]> {
    return this.database.inOrganization(principal, async (transaction) => {
      await findServer(transaction, serverId);
      const rows = await databasesOf(transaction, serverId);
      return tag ? rows.filter((row) => carriesTags(row.tags, tag)) : rows;
    });
  }

  async update(principal: Principal, serverId: string, id: string, request: UpdateDatabase): Promise<DatabaseRow> {
    return this.database.inOrganization(principal, async (transaction) => {
      const before = await findDatabase(transaction, serverId, id);
      const [row] = await transaction.query<DatabaseRow>(
        `UPDATE databases SET excluded = COALESCE($2, excluded), tags = COALESCE($3::text[], tags) WHERE id = $1 RETURNING *`,
        [id, request.excluded ?? null, request.tags ?? null],
      );
      await replanFor(transaction, await findServer(transaction, serverId));
      await recordAct(this.outbox, transaction, principal, {
        action:
          request.excluded === undefined || request.excluded === before.excluded
            ? 'database.updated'
            : request.excluded
              ? 'database.excluded'
              : 'database.included',
        target: { kind: 'database', id, name: before.name },
        details: { ...changesBetween(presentDatabase(before), presentDatabase(row!)) },
      });
      return row!;
    });
  }

  /** The stored password was opened for it. */
  private async recordUse(transaction: Transaction, server: ServerRow, principal: Principal | undefined, found: number): Promise<void> {
    const act = {
      action: 'server.discovered',
      target: { kind: 'server', id: server.id, name: server.name },
      details: { databases: found },
    };
    await (principal
      ? recordAct(this.outbox, transaction, principal, act)
      : recordOwnAct(this.outbox, transaction, server.organization_id, act));
  }

  /** Gives whether the set of databases changed. Vanished ones are marked and stay, because their backups do. */
  private async take(transaction: Transaction, server: ServerRow, found: Found[]): Promise<boolean> {
    const known = new Map((await databasesOf(transaction, server.id)).map((row) => [row.name, row]));
    await transaction.query(
      `INSERT INTO databases (id, organization_id, server_id, name, size_bytes, encoding, "collation", connectable, discovered_at)
       SELECT id, $1, $2, name, size_bytes, encoding, "collation", connectable, $3
       FROM unnest($4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::boolean[]) AS found (id, name, size_bytes, encoding, "collation", connectable)
       ON CONFLICT (server_id, name) DO UPDATE
         SET size_bytes = EXCLUDED.size_bytes, encoding = EXCLUDED.encoding, "collation" = EXCLUDED."collation", connectable = EXCLUDED.connectable, missing_since = NULL`,
      [
        server.organization_id,
        server.id,
        this.clock.now(),
        found.map(() => newId('database')),
        found.map((database) => database.name),
        found.map((database) => Math.round(database.sizeBytes)),
        found.map((database) => database.encoding),
        found.map((database) => database.collation),
        found.map((database) => database.connectable),
      ],
    );
    const names = found.map((database) => database.name);
    const present = new Set(names);
    const vanished = await transaction.query<Pick<DatabaseRow, 'id' | 'name'>>(
      `UPDATE databases SET missing_since = $3 WHERE server_id = $1 AND missing_since IS NULL AND name <> ALL ($2::text[]) RETURNING id, name`,
      [server.id, names, this.clock.now()],
    );
    for (const { id, name } of vanished) await this.tell(transaction, server, 'database.vanished', { id, name });
    const appeared = (await databasesOf(transaction, server.id)).filter((row) => {
      const before = known.get(row.name);
      return present.has(row.name) && (!before || before.missing_since !== null);
    });
    // The first look at a server finds all of them new, which is no news.
    if (known.size > 0) for (const { id, name } of appeared) await this.tell(transaction, server, 'database.appeared', { id, name });
    const changed = found.some((database) => known.get(database.name)?.connectable !== database.connectable);
    return appeared.length > 0 || vanished.length > 0 || changed;
  }

  private async tell(transaction: Transaction, server: ServerRow, action: string, database: { id: string; name: string }): Promise<void> {
    await recordOwnAct(this.outbox, transaction, server.organization_id, {
      action,
      target: { kind: 'database', ...database },
      details: { server: server.id, serverName: server.name },
    });
  }
}
