import type { ConnectorContext, Job } from '@rahat/connector-kit';
import type { Finding, PostgresqlConnection } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { findTools } from '../tools.js';
import { makeAmcheck } from './amcheck-extension.js';
import { runAmcheck } from './amcheck-program.js';
import { checkBySql } from './amcheck-queries.js';

/** A restored server that may be changed: it is thrown away. */
export interface CheckedServer {
  /** As superuser. */
  connection: PostgresqlConnection;
  major: number;
}

export interface StructureCheck {
  tables: number;
  indexes: number;
  /** What looked, e.g. `pg_amcheck 15.18`. Undefined = nothing could. */
  by: string | undefined;
  /** A blocker per damaged relation. */
  findings: Finding[];
}

/** pg_amcheck asks for functions that amcheck has since 14. */
const OLDEST_OF_PROGRAM = 14;
const LABEL = 'rhb-structure';

/**
 * Looks at the pages of every table and B-tree index of a database, and whether each row is in its indexes: by pg_amcheck where
 * the worker has one of the server's major, else by the functions of the extension amcheck (engines.md §3.5).
 *
 * `rebuilt`: the indexes were built by this server, so that each row must also be found from the root; indexes of an older
 * origin may be of a version that can't be looked at so.
 */
export async function checkStructure(
  server: CheckedServer,
  database: string,
  rebuilt: boolean,
  context: ConnectorContext,
  job: Job,
): Promise<StructureCheck> {
  await using client = await connectClient(server.connection, { database, label: LABEL, signal: job.signal });
  const amcheck = await makeAmcheck(client);
  if (!amcheck) return { tables: 0, indexes: 0, by: undefined, findings: [] };
  const program = await programOf(server.major, context);
  if (!program) return await checkBySql(client, amcheck, { database, rebuilt }, job);
  job.progress({ phase: 'checking structure', object: database, bytes: 0 });
  const damage = await runAmcheck(program.path, server.connection, { database, rebuilt, label: LABEL }, context, job);
  const [counted] = (await client.query<{ tables: number; indexes: number }>(COUNTED)).rows;
  return { tables: counted?.tables ?? 0, indexes: counted?.indexes ?? 0, by: `pg_amcheck ${program.version}`, findings: damage };
}

/** What pg_amcheck looks at by itself: tables of rows and their B-trees, with what is stored out of line. */
const COUNTED = `
  SELECT (SELECT count(*)::int FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't') AS tables,
         (SELECT count(*)::int FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid = c.relam WHERE c.relkind = 'i' AND a.amname = 'btree') AS indexes`;

/** A line about what was looked at, or that nothing was. */
export function describeStructure(checks: readonly StructureCheck[]): Finding {
  const looked = checks.filter((check) => check.by !== undefined);
  if (looked.length === 0) {
    return {
      code: 'structure_not_checked',
      severity: 'info',
      message: 'Neither pg_amcheck nor the extension amcheck is beside the throwaway server: pages of tables and indexes were not checked.',
      fix: 'Install the contributed extensions of PostgreSQL on the worker (Debian: package postgresql-<major>).',
    };
  }
  const sum = (of: 'tables' | 'indexes'): number => looked.reduce((total, check) => total + check[of], 0);
  return {
    code: 'structure_checked',
    severity: 'info',
    message: `The pages of ${sum('tables')} tables and ${sum('indexes')} B-tree indexes were checked, and whether each row is in its indexes, by ${looked[0]!.by}.`,
  };
}

async function programOf(major: number, context: ConnectorContext): Promise<{ path: string; version: string } | undefined> {
  if (major < OLDEST_OF_PROGRAM) return undefined;
  const fitting = (await findTools(context.toolFolders)).find((tools) => tools.major === major && tools.pgAmcheck !== undefined);
  return fitting?.pgAmcheck === undefined ? undefined : { path: fitting.pgAmcheck, version: fitting.version };
}
