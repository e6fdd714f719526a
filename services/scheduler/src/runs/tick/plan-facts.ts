import { METHODS, type BlackoutWindow } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import type { DatabaseRow } from '../../databases/databases.table.js';
import { coversWholeServer, selectsByGroupOrTag, type PlanRow } from '../../plans/plans.table.js';
import { schedulesOf, type ScheduleRow } from '../../plans/schedules.table.js';
import { windowsOfOrganization } from '../../scheduling/scheduling.table.js';
import type { ServerRow } from '../../servers/servers.table.js';
import { coverageOf, coveredOn, type Covered } from '../coverage.js';

/** What many plans are written down with, asked once for all of them: when thousands are new at once, a few questions for each take minutes. */
export class PlanFacts {
  private readonly windows = new Map<string, BlackoutWindow[]>();

  private constructor(
    private readonly transaction: Transaction,
    private readonly schedules: ReadonlyMap<string, ScheduleRow[]>,
    private readonly expected: ReadonlySet<string>,
    private readonly servers: ReadonlyMap<string, ServerRow>,
    private readonly databases: ReadonlyMap<string, DatabaseRow[]>,
  ) {}

  static async of(transaction: Transaction, plans: readonly PlanRow[]): Promise<PlanFacts> {
    const living = plans.filter(({ deleted_at }) => deleted_at === null);
    const schedules = await schedulesOf(transaction, living);
    const expected = await transaction.query<{ plan_id: string }>(
      `SELECT id AS plan_id FROM unnest($1::text[]) AS plan (id) WHERE EXISTS (SELECT 1 FROM runs WHERE runs.plan_id = plan.id AND runs.state = 'expected')`,
      [plans.map(({ id }) => id)],
    );
    const naming = living.filter((plan) => !selectsByGroupOrTag(plan));
    const servers = await transaction.query<ServerRow>(`SELECT * FROM servers WHERE id = ANY ($1::text[]) AND deleted_at IS NULL`, [
      naming.flatMap(({ server_ids }) => server_ids),
    ]);
    const databases = await transaction.query<DatabaseRow>(`SELECT * FROM databases WHERE server_id = ANY ($1::text[]) ORDER BY name`, [
      naming.filter((plan) => !coversWholeServer(plan)).flatMap(({ server_ids }) => server_ids),
    ]);
    return new PlanFacts(
      transaction,
      schedules,
      new Set(expected.map(({ plan_id }) => plan_id)),
      new Map(servers.map((server) => [server.id, server])),
      Map.groupBy(databases, (database) => database.server_id),
    );
  }

  schedulesOf(plan: PlanRow): ScheduleRow[] {
    return this.schedules.get(plan.id) ?? [];
  }

  /** Whether runs of it stand in the ledger that are still to come. */
  isExpected(plan: PlanRow): boolean {
    return this.expected.has(plan.id);
  }

  async windowsOf({ organization_id }: PlanRow): Promise<BlackoutWindow[]> {
    const known = this.windows.get(organization_id) ?? (await windowsOfOrganization(this.transaction, organization_id));
    this.windows.set(organization_id, known);
    return known;
  }

  /** As `coverageOf` says it. */
  async coverageOf(plan: PlanRow): Promise<Covered[]> {
    if (selectsByGroupOrTag(plan)) return coverageOf(this.transaction, plan);
    const servers = plan.server_ids
      .flatMap((id) => this.servers.get(id) ?? [])
      .filter(({ organization_id, engine }) => organization_id === plan.organization_id && engine === METHODS[plan.method].engine)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return servers.flatMap((server) => coveredOn(plan, server, this.databases.get(server.id) ?? []));
  }
}
