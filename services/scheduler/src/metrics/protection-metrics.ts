import type { ServiceDatabase } from '@rahat/persistence';
import { Gauge, remembered, type Registry } from '@rahat/service-kit';

/** One line per database (or whole server) that has a whole backup. */
interface ProtectedLine {
  organization_id: string;
  server_id: string;
  server: string;
  database_id: string | null;
  database: string;
  engine: string;
  succeeded_at: Date;
  verified_at: Date | null;
  size_bytes: string;
  added_bytes: string;
}

interface StateLine {
  type: string;
  state: string;
  runs: string;
}

const HOLD_MS = 30_000;
const LABELS = ['organization', 'server_id', 'server', 'database_id', 'database', 'engine'] as const;
type Label = (typeof LABELS)[number];

/** What the ledger and the catalog say at a scrape; each scheduler says the same. */
export class ProtectionMetrics {
  private readonly gauges: Gauge<string>[];

  constructor(database: ServiceDatabase) {
    const lines = remembered(
      () => database.asSystem('tell metrics of protection', (transaction) => transaction.query<ProtectedLine>(PROTECTED)),
      HOLD_MS,
    );
    const states = remembered(
      () => database.asSystem('tell metrics of runs', (transaction) => transaction.query<StateLine>(UNFINISHED)),
      HOLD_MS,
    );
    const timestamp = (name: string, help: string, at: (line: ProtectedLine) => Date | null) =>
      perDatabase(name, help, lines, (line) => (at(line) === null ? [] : [{ labels: {}, value: at(line)!.getTime() / 1000 }]));
    this.gauges = [
      timestamp('rahat_backup_last_success_timestamp_seconds', 'When the newest whole backup was recorded', (line) => line.succeeded_at),
      timestamp(
        'rahat_backup_last_verified_timestamp_seconds',
        'When a backup that is still there was last proven',
        (line) => line.verified_at,
      ),
      perDatabase(
        'rahat_backup_size_bytes',
        'Size of the newest whole backup: of its data, and of what it added to the repository',
        lines,
        (line) => [
          { labels: { kind: 'raw' }, value: Number(line.size_bytes) },
          { labels: { kind: 'stored' }, value: Number(line.added_bytes) },
        ],
        ['kind'],
      ),
      new Gauge({
        name: 'rahat_runs_unfinished',
        help: 'Runs that are due, queued or running',
        labelNames: ['type', 'state'],
        registers: [],
        async collect() {
          const found = await states();
          this.reset();
          for (const { type, state, runs } of found) this.set({ type, state }, Number(runs));
        },
      }),
    ];
  }

  registerIn(registry: Registry): this {
    for (const gauge of this.gauges) registry.registerMetric(gauge);
    return this;
  }
}

function perDatabase(
  name: string,
  help: string,
  lines: () => Promise<ProtectedLine[]>,
  valuesOf: (line: ProtectedLine) => { labels: Record<string, string>; value: number }[],
  moreLabels: string[] = [],
): Gauge<string> {
  return new Gauge({
    name,
    help,
    labelNames: [...LABELS, ...moreLabels],
    registers: [],
    async collect() {
      const found = await lines();
      this.reset();
      for (const line of found) for (const { labels, value } of valuesOf(line)) this.set({ ...labelsOf(line), ...labels }, value);
    },
  });
}

function labelsOf(line: ProtectedLine): Record<Label, string> {
  const { organization_id: organization, server_id, server, database, engine } = line;
  return { organization, server_id, server, database_id: line.database_id ?? '', database, engine };
}

const PROTECTED = `
  SELECT backups.organization_id, backups.server_id, servers.name AS server, servers.engine, backups.database_id,
    COALESCE((array_agg(backups.database_name ORDER BY backups.created_at DESC))[1], 'whole server') AS database,
    max(backups.created_at) AS succeeded_at, max(backups.proven_at) AS verified_at,
    (array_agg(backups.size_bytes ORDER BY backups.created_at DESC))[1] AS size_bytes,
    (array_agg(backups.added_bytes ORDER BY backups.created_at DESC))[1] AS added_bytes
  FROM backups JOIN servers ON servers.id = backups.server_id
  WHERE backups.state = 'succeeded' AND backups.removal_requested_at IS NULL AND backups.proof <> 'damaged' AND servers.deleted_at IS NULL
  GROUP BY backups.organization_id, backups.server_id, servers.name, servers.engine, backups.database_id`;

const UNFINISHED = `SELECT type, state, count(*) AS runs FROM runs WHERE state IN ('due', 'queued', 'running') GROUP BY type, state`;
