export interface CatalogSize {
  organization: string;
  servers: number;
  databases: number;
  backups: number;
}

/** Of the server, plan or database of this number in a filled catalog. */
export function catalogId(prefix: 'server' | 'plan' | 'database', number: number): string {
  return `${prefix}_${number.toString(16).padStart(32, '0')}`;
}

/** SQL for a superuser: a catalog as it looks after years, one run for each backup, every hour one. `analyze` for the planner included. */
export function fillCatalog({ organization, servers, databases, backups }: CatalogSize): string[] {
  const id = (prefix: string, number: string) => `'${prefix}_' || lpad(to_hex(${number}), 32, '0')`;
  /** As UUIDv7: the time, then what tells them apart. */
  const timed = (prefix: string) =>
    `'${prefix}_' || lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || lpad(to_hex(i), 20, '0')`;
  const ofBackup = `i % ${databases}`;
  // One moment for all statements, which must make the same ids.
  const at = `'${new Date().toISOString()}'::timestamptz - make_interval(secs => (${backups} - i) * 3600.0 / ${Math.max(1, databases)})`;
  const rows = `(SELECT i, ${ofBackup} AS d, ${at} AS at FROM generate_series(0, ${backups - 1}) i) s`;
  const names = `'server ' || d % ${servers} || ' plan ' || d % ${servers}`;
  const tags = `CASE WHEN i % 1000 = 0 THEN ARRAY['release=' || i / 1000] ELSE '{}' END`;
  return [
    `INSERT INTO scheduler.servers (id, organization_id, name, engine, address, sealed_password, password_set_at, pool, tags)
     SELECT ${id('server', 'i')}, '${organization}', 'server ' || i, 'postgresql', jsonb_build_object('host', 'host' || i, 'port', 5432, 'user', 'backup'), '', now(), 'default',
       ARRAY['env=' || CASE WHEN i % 10 = 0 THEN 'prod' ELSE 'test' END] FROM generate_series(0, ${servers - 1}) i`,
    `INSERT INTO scheduler.databases (id, organization_id, server_id, name, size_bytes, encoding, "collation", connectable, discovered_at)
     SELECT ${id('database', 'i')}, '${organization}', ${id('server', `i % ${servers}`)}, 'orders_' || i, 1000, 'UTF8', 'C', true, now() FROM generate_series(0, ${databases - 1}) i`,
    `INSERT INTO scheduler.plans (id, organization_id, name, server_ids, method, databases, repository_id, catch_up, keep_last, keep_proven, verify, deep, max_attempts,
       deadline_minutes, planned_until, replan, tags)
     SELECT ${id('plan', 'i')}, '${organization}', 'plan ' || i, ARRAY[${id('server', 'i')}], 'postgresql.logical', '["orders"]', 'repository_known', 'run_once', 14, 2,
       '{FULL}', false, 3, 720, now() + interval '1 year', false, '{}' FROM generate_series(0, ${servers - 1}) i`,
    `INSERT INTO scheduler.runs (id, organization_id, type, state, cause, attempt, max_attempts, plan_id, server_id, database_id, database_name, method, repository_id,
       deadline_minutes, due_at, occurs_at, finished_at, evidence, backup_type, names, tags)
     SELECT ${timed('run')}, '${organization}', 'backup', 'succeeded', 'schedule', 1, 3, ${id('plan', `d % ${servers}`)}, ${id('server', `d % ${servers}`)},
       ${id('database', 'd')}, 'orders_' || d, 'postgresql.logical', 'repository_known', 720, at, at, at, '{}', 'full', ${names}, ${tags} FROM ${rows}`,
    `INSERT INTO scheduler.backups (id, organization_id, snapshot, repository_id, run_id, plan_id, server_id, database_id, database_name, method, label, consistency, state, proof,
       proven_at, consistent_at, objects, rows, size_bytes, added_bytes, server_version, tool, findings, created_at, backup_type, names, tags)
     SELECT ${timed('backup')}, '${organization}', 'snapshot_' || i, 'repository_known', ${timed('run')}, ${id('plan', `d % ${servers}`)}, ${id('server', `d % ${servers}`)},
       ${id('database', 'd')}, 'orders_' || d, 'postgresql.logical', 'full', 'snapshot', CASE WHEN i % 500 = 0 THEN 'partial' ELSE 'succeeded' END,
       CASE WHEN i % 10 = 0 THEN 'FULL' ELSE 'BASIC' END, CASE WHEN i % 10 = 0 THEN at END, at, 2, 5, 1000, 100, '15.1', 'pg_dump 15.1', '[]', at, 'full', ${names}, ${tags} FROM ${rows}`,
    // Whoever fills without triggers has marked nothing.
    `INSERT INTO scheduler.protection_marks (organization_id, server_id, plan_id, database_id)
     SELECT DISTINCT organization_id, server_id, plan_id, database_id FROM scheduler.backups`,
    ...['servers', 'databases', 'plans', 'runs', 'backups'].map((table) => `ANALYZE scheduler.${table}`),
  ];
}
