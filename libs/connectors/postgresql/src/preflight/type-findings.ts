import type { BackupRequest } from '@rahat/connector-kit';
import type { Finding } from '@rahat/contracts';
import type { Rights } from './rights.js';

/** A plan that asks for what the server can't do is told so at once, and not served with full backups in silence. */
export function typeFindings(
  { version, summarizeWal }: Pick<Rights, 'version' | 'summarizeWal'>,
  type: BackupRequest['type'] = 'full',
): Finding[] {
  if (type === 'full' || summarizeWal === 'on') return [];
  if (summarizeWal === null)
    return [
      {
        code: 'incremental_unsupported',
        severity: 'blocker',
        message: `PostgreSQL ${version} takes no ${type} backups: they need PostgreSQL 17 or newer.`,
        fix: 'Give the plan full backups only. They store only what is new, too.',
      },
    ];
  return [
    {
      code: 'wal_summaries_off',
      severity: 'blocker',
      message: `The server keeps no summaries of its log, without which it takes no ${type} backups.`,
      fix: 'ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf();',
    },
  ];
}
