import { runTool, type ConnectorContext, type Job } from '@rahat/connector-kit';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { databaseConninfo, toolConnection, type ToolConnection } from '../connect.js';
import { saysConnectionLost } from '../errors.js';
import type { RequiredTool } from '../required-tool.js';
import { classifyToolLine, toolFailure } from './tool-failure.js';

export interface LoadRequest {
  database: string;
  label: string;
  noOwner: boolean;
  noAcl: boolean;
  /** All or nothing, for a database that others use. */
  singleTransaction: boolean;
}

/** Pipes an archive into pg_restore, which stops at the first error. */
export async function loadArchive(
  tool: RequiredTool,
  connection: PostgresqlConnection,
  request: LoadRequest,
  archive: AsyncIterable<Buffer>,
  context: ConnectorContext,
  job: Job,
): Promise<void> {
  await using run = await runTool({
    program: tool.path,
    args: [
      '--no-password',
      '--format=custom',
      '--exit-on-error',
      ...(request.noOwner ? ['--no-owner'] : []),
      ...(request.noAcl ? ['--no-acl'] : []),
      ...(request.singleTransaction ? ['--single-transaction'] : []),
      `--dbname=${databaseConninfo(request.database)}`,
    ],
    ...(await connectionOfLoad(connection, request, job.signal)),
    stdin: archive,
    classify: classifyToolLine,
    scratchFolder: context.scratchFolder,
    signal: job.signal,
  });
  for await (const ignored of run.stdout) void ignored;
  const exit = await run.exit;
  if (job.signal.aborted) throw new RahatError('cancelled', 'The restore was cancelled');
  if (exit.clean) return;
  if (exit.stdinError !== undefined || exit.signal !== null || saysConnectionLost(exit.stderr))
    throw toolFailure('pg_restore', exit, connection);
  throw new RahatError('restore_failed', `pg_restore stopped: ${exit.cause ?? 'it printed no message'}`, {
    hint: restoreHint(exit.stderr),
  });
}

/**
 * A staging database's many small commits need not wait for the disk, each of them: its rename into place is a commit that
 * waits, and with it all that the server logged before.
 */
async function connectionOfLoad(connection: PostgresqlConnection, request: LoadRequest, signal: AbortSignal): Promise<ToolConnection> {
  const libpq = await toolConnection(connection, request.label, signal);
  if (request.singleTransaction) return libpq;
  return { ...libpq, env: { ...libpq.env, PGOPTIONS: `${libpq.env['PGOPTIONS'] ?? ''} -c synchronous_commit=off` } };
}

function restoreHint(stderr: string): string {
  if (/extension ".*" is not available|could not open extension control file/.test(stderr))
    return 'Install the extension on the target server, in the version of the source.';
  if (/No space left on device|could not extend file/.test(stderr))
    return 'The disk of the target server is full: free space there, or restore to another server. Nothing was swapped in; the staging database was removed.';
  if (/collation ".*" (for encoding ".*" )?does not exist|could not create locale/.test(stderr))
    return 'A locale of the source is missing on the machine of the target server: install it there, then start that server anew.';
  if (/role ".*" does not exist/.test(stderr)) return 'Create the role on the target, or restore without owners and rights.';
  if (/tablespace ".*" does not exist/.test(stderr)) return 'Create the tablespace on the target.';
  if (/permission denied|must be (superuser|owner|member)/.test(stderr))
    return 'Restore as a superuser of the target, or without owners and rights.';
  return "The message is pg_restore's own. Nothing was swapped in; the staging database was removed.";
}
