import type { Finding, PostgresqlConnection } from '@rahat/contracts';
import { connectClient, type DisposableClient } from '../../connect.js';
import { queryError } from '../../errors.js';
import { parseLogPosition } from '../../physical/log-position.js';
import { cured, setting } from '../../preflight/cured.js';

interface ArchiverRow {
  walLevel: string;
  mode: string;
  command: string | null;
  library: string | null;
  timeoutSeconds: number;
  failing: boolean;
  failures: string;
  lastFailed: string | null;
  failedAt: string | null;
  written: string | null;
}

/** pg_stat_archiver may be read by everybody; archive_library exists since 15. */
const STATE = `
  SELECT current_setting('wal_level') AS "walLevel", current_setting('archive_mode') AS mode,
         current_setting('archive_command', true) AS command, current_setting('archive_library', true) AS library,
         (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'archive_timeout') AS "timeoutSeconds",
         coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing,
         failed_count::text AS failures, last_failed_wal AS "lastFailed", to_json(last_failed_time) #>> '{}' AS "failedAt",
         (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS written
    FROM pg_catalog.pg_stat_archiver`;

/** How far a server has written, and what keeps it from pushing that. */
export async function lookAtArchiver(client: DisposableClient): Promise<{ written: bigint; findings: Finding[] }> {
  const row = await readArchiver(client);
  return { written: row.written === null ? 0n : parseLogPosition(row.written), findings: archiverFindings(row) };
}

/** Before segments are waited for. What is set on the server afterwards needs no other start of ours. */
export async function pushFindings(connection: PostgresqlConnection, signal: AbortSignal): Promise<Finding[]> {
  await using client = await connectClient(connection, { database: connection.maintenanceDatabase, label: 'rahat-preflight', signal });
  return archiverFindings(await readArchiver(client));
}

async function readArchiver(client: DisposableClient): Promise<ArchiverRow> {
  const { rows } = await client.query<ArchiverRow>(STATE).catch((error: unknown) => {
    throw queryError(error, 'looking at the archiver');
  });
  return rows[0]!;
}

function archiverFindings(row: ArchiverRow): Finding[] {
  const { walLevel, mode, command, library, timeoutSeconds } = row;
  if (walLevel === 'minimal')
    return [
      cured(
        { code: 'wal_level_minimal', severity: 'blocker', message: 'The server writes too little log for an archive.' },
        setting('wal_level', 'replica', 'restart'),
      ),
    ];
  if (mode === 'off')
    return [
      cured(
        { code: 'archive_mode_off', severity: 'warning', message: 'The server archives nothing, so nothing is pushed.' },
        setting('archive_mode', "'on'", 'restart'),
      ),
    ];
  const findings: Finding[] = [];
  if ((command ?? '') === '' && (library ?? '') === '')
    findings.push({
      code: 'archive_command_missing',
      severity: 'warning',
      message: 'The server has no archive_command: it pushes nothing, and keeps all its log until its disk is full.',
      fix: 'Set the archive_command that "rahat-backup server log-push add" prints.',
    });
  if (row.failing)
    findings.push({
      code: 'archive_failing',
      severity: 'warning',
      object: row.lastFailed ?? undefined,
      message: `The server's archive_command fails, last at ${row.failedAt} with ${row.lastFailed} (${row.failures} times in all); the server keeps its log meanwhile.`,
      fix: "Why stands in the server's own log.",
    });
  if (timeoutSeconds === 0)
    findings.push(
      cured(
        {
          code: 'archive_timeout_off',
          severity: 'warning',
          message: 'The server pushes a segment when it is full and not before: with little to do that takes hours.',
        },
        setting('archive_timeout', "'60s'", 'reload'),
      ),
    );
  return findings;
}
