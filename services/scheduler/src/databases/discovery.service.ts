import { newId, type Answer, type Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import { findServer, type ServerRow } from '../servers/servers.table.js';
import type { WorkerQuestions } from '../servers/worker-questions.js';
import { recordAct } from '../trail/trail.js';
import { databasesOf, findDatabase, type DatabaseRow } from './databases.table.js';

type Found = Answer<'server.discover.v1'>['databases'][number];

export class DiscoveryService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly questions: WorkerQuestions,
    private readonly secrets: ServerSecrets,
    private readonly clock: Clock,
  ) {}

  /** Asks the server which databases it has. An error of the asking changes nothing: a server out of reach has lost no database. */
  async discover(organization: string, serverId: string): Promise<DatabaseRow[]> {
    const server = await this.database.inOrganization(organization, (transaction) => findServer(transaction, serverId));
    return this.discoverOn(server);
  }

  async discoverOn(server: ServerRow): Promise<DatabaseRow[]> {
    const { databases } = await this.questions.discover(server.pool, server.engine, this.secrets.connectionOf(server));
    return this.database.inOrganization(server.organization_id, async (transaction) => {
      await transaction.query(`UPDATE servers SET discovered_at = $2 WHERE id = $1`, [server.id, this.clock.now()]);
      const changed = await this.take(transaction, server, databases);
      if (changed) await transaction.query(`UPDATE plans SET replan = true WHERE server_id = $1 AND deleted_at IS NULL`, [server.id]);
      return databasesOf(transaction, server.id);
    });
  }

  async list(organization: string, serverId: string): Promise<DatabaseRow[]> {
    return this.database.inOrganization(organization, async (transaction) => {
      await findServer(transaction, serverId);
      return databasesOf(transaction, serverId);
    });
  }

  async exclude(principal: Principal, serverId: string, id: string, excluded: boolean): Promise<DatabaseRow> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
      const row = await findDatabase(transaction, serverId, id);
      if (row.excluded === excluded) return row;
      await transaction.query(`UPDATE databases SET excluded = $2 WHERE id = $1`, [id, excluded]);
      await transaction.query(`UPDATE plans SET replan = true WHERE server_id = $1 AND deleted_at IS NULL`, [serverId]);
      await recordAct(this.outbox, transaction, principal, {
        action: excluded ? 'database.excluded' : 'database.included',
        target: { kind: 'database', id, name: row.name },
      });
      return { ...row, excluded };
    });
  }

  /** Gives whether the set of databases changed. Vanished ones are marked and stay, because their backups do. */
  private async take(transaction: Transaction, server: ServerRow, found: Found[]): Promise<boolean> {
    const known = new Map((await databasesOf(transaction, server.id)).map((row) => [row.name, row]));
    for (const database of found) {
      await transaction.query(
        `INSERT INTO databases (id, organization_id, server_id, name, size_bytes, encoding, "collation", connectable, discovered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (server_id, name) DO UPDATE SET size_bytes = $5, encoding = $6, "collation" = $7, connectable = $8, missing_since = NULL`,
        [
          newId('database'),
          server.organization_id,
          server.id,
          database.name,
          Math.round(database.sizeBytes),
          database.encoding,
          database.collation,
          database.connectable,
          this.clock.now(),
        ],
      );
    }
    const names = found.map((database) => database.name);
    const vanished = await transaction.query(
      `UPDATE databases SET missing_since = $3 WHERE server_id = $1 AND missing_since IS NULL AND name <> ALL ($2::text[]) RETURNING id`,
      [server.id, names, this.clock.now()],
    );
    const appeared = found.some((database) => {
      const row = known.get(database.name);
      return !row || row.missing_since !== null || row.connectable !== database.connectable;
    });
    return appeared || vanished.length > 0;
  }
}
