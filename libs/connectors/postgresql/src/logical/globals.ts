import { runTool, type ConnectorContext, type Job } from '@rahat/connector-kit';
import { RahatError, type Finding, type PostgresqlConnection } from '@rahat/contracts';
import { databaseConninfo, toolConnection } from '../connect.js';
import { clientOfMajor } from '../required-tool.js';
import type { SnapshotSession } from './snapshot-session.js';
import { classifyToolLine, toolFailure } from './tool-failure.js';

const MOST_BYTES = 64 * 1024 * 1024;

/** Roles and tablespaces as SQL. They belong to the server, not to the database: a failure is a gap, not the end of the backup. */
export async function dumpGlobals(
  connection: PostgresqlConnection,
  session: SnapshotSession,
  context: ConnectorContext,
  job: Job,
  label: string,
): Promise<{ sql?: Buffer; findings: Finding[] }> {
  const findings: Finding[] = [];
  if (!session.superuser)
    findings.push({
      code: 'role_passwords_not_dumped',
      severity: 'info',
      message: 'Passwords of roles are not in the backup: only a superuser can read them.',
    });
  try {
    const tool = await clientOfMajor('pgDumpall', session.major, context.toolFolders);
    await using run = await runTool({
      program: tool.path,
      args: [
        '--no-password',
        '--globals-only',
        ...(session.superuser ? [] : ['--no-role-passwords']),
        `--dbname=${databaseConninfo(connection.maintenanceDatabase)}`,
      ],
      ...(await toolConnection(connection, label, job.signal)),
      classify: classifyToolLine,
      scratchFolder: context.scratchFolder,
      signal: job.signal,
    });
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of run.stdout) {
      bytes += part.length;
      if (bytes > MOST_BYTES) throw new RahatError('tool_failed', 'pg_dumpall printed more globals than can be right');
      parts.push(part);
    }
    const exit = await run.exit;
    if (!exit.clean) throw toolFailure('pg_dumpall', exit, connection);
    const sql = Buffer.concat(parts).toString('latin1');
    if (!sql.includes('PostgreSQL database cluster dump complete'))
      throw new RahatError('dump_truncated', 'the output of pg_dumpall has no end mark');
    // The random token of \restrict would make every backup's globals different.
    return { sql: Buffer.from(sql.replaceAll(/^\\(un)?restrict .*\n/gm, ''), 'latin1'), findings };
  } catch (error) {
    if (job.signal.aborted) throw new RahatError('cancelled', 'The backup was cancelled', { cause: error });
    // A server that went away is no gap of its roles: the next attempt has all.
    if (error instanceof RahatError && ['source_lost', 'source_unreachable'].includes(error.code)) throw error;
    findings.push({
      code: 'globals_not_dumped',
      severity: 'gap',
      message: `Roles and tablespaces are not in the backup: ${error instanceof Error ? error.message : String(error)}`,
      fix: error instanceof RahatError ? error.hint : undefined,
    });
    return { findings };
  }
}
