import { type Finding, RahatError } from '@rahat/contracts';
import { clientOfMajor } from '../required-tool.js';
import type { Rights } from './rights.js';

const OLDEST_MAJOR = 13;
const NEWEST_MAJOR = 18;
/** The last release of each major, by https://www.postgresql.org/support/versioning/. */
const LAST_RELEASES: Record<number, string> = {
  13: '2025-11-13',
  14: '2026-11-12',
  15: '2027-11-11',
  16: '2028-11-09',
  17: '2029-11-08',
  18: '2030-11-14',
};

export function versionFindings(rights: Pick<Rights, 'major' | 'version'>): Finding[] {
  if (rights.major < OLDEST_MAJOR)
    return [
      {
        code: 'server_unsupported',
        severity: 'blocker',
        message: `PostgreSQL ${rights.version} is older than ${OLDEST_MAJOR}.`,
        fix: `Upgrade the server to PostgreSQL ${OLDEST_MAJOR} or newer.`,
      },
    ];
  if (rights.major > NEWEST_MAJOR)
    return [{ code: 'server_untested', severity: 'warning', message: `PostgreSQL ${rights.major} is newer than what was tested.` }];
  return [];
}

/** Backups of it work; that nobody mends it any more is worth saying. */
export function supportFindings({ major, version }: Pick<Rights, 'major' | 'version'>, now: Date): Finding[] {
  const last = LAST_RELEASES[major];
  if (last === undefined || now < new Date(last)) return [];
  return [
    {
      code: 'version_out_of_support',
      severity: 'warning',
      message: `PostgreSQL ${version} is out of support: its last release was on ${last}.`,
      fix: `Upgrade to a major that is supported, e.g. ${NEWEST_MAJOR}. A logical backup of this server can be restored on it.`,
    },
  ];
}

export async function toolFindings(major: number, toolFolders: readonly string[]): Promise<Finding[]> {
  try {
    await clientOfMajor('pgDump', major, toolFolders);
    return [];
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'tool_missing') throw error;
    return [{ code: 'tool_missing', severity: 'blocker', message: error.message, fix: error.hint }];
  }
}
