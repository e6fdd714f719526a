import { newId, type Principal } from '@rahat/contracts';
import { fillCatalog, startTestScheduler, type TestScheduler } from '@rahat/service-scheduler/testing';

/** As the PostgreSQL that the platform brings along, and as durable. */
export const AS_EMBEDDED = {
  major: 18,
  settings: { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', shared_buffers: '64MB', max_wal_size: '512MB' },
} as const;

/** The scheduler on a PostgreSQL of its own. */
export interface BenchScheduler extends AsyncDisposable {
  scheduler: TestScheduler;
  /** Of the organization that the catalog belongs to. */
  admin: Principal;
  get(path: string): Promise<Record<string, unknown>>;
}

export interface Catalog {
  servers: number;
  databases: number;
  backups: number;
}

export async function openScheduler(): Promise<BenchScheduler> {
  const scheduler = await startTestScheduler(AS_EMBEDDED);
  const admin = { ...scheduler.admin, organization: newId('organization') };
  return {
    scheduler,
    admin,
    async get(path) {
      const { status, body } = await scheduler.call('GET', path, undefined, admin);
      if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
      return body as Record<string, unknown>;
    },
    [Symbol.asyncDispose]: () => scheduler[Symbol.asyncDispose](),
  };
}

export async function fill({ scheduler, admin }: BenchScheduler, catalog: Catalog): Promise<void> {
  const client = await scheduler.postgresql.connect();
  try {
    await fillCatalogOf(client, admin.organization, catalog);
  } finally {
    await client.end();
  }
}

type SuperuserClient = Awaited<ReturnType<TestScheduler['postgresql']['connect']>>;

/** A million rows take minutes through a dozen of indexes, and a fraction of that when these are made afterwards. */
export async function fillCatalogOf(client: SuperuserClient, organization: string, catalog: Catalog): Promise<void> {
  // Made rows refer to what is there.
  await client.query(`SET session_replication_role = replica; SET maintenance_work_mem = '512MB'`);
  const { rows: indexes } = await client.query<{ name: string; definition: string }>(
    `SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
     WHERE indrelid IN ('scheduler.runs'::regclass, 'scheduler.backups'::regclass) AND NOT indisprimary
       AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)`,
  );
  for (const { name } of indexes) await client.query(`DROP INDEX ${name}`);
  for (const statement of fillCatalog({ organization, ...catalog })) await client.query(statement);
  for (const { definition } of indexes) await client.query(definition);
  // No worker is there to ask for databases.
  await client.query(`UPDATE scheduler.servers SET discovered_at = now()`);
  await client.query('VACUUM ANALYZE');
}
