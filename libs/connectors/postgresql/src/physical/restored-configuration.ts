import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding } from '@rahat/contracts';
import type { BaseBackupFacts } from './base-backup-layout.js';

/** A restored copy must not write into its source's log archive, follow its source's peers, or take over its subscriptions. */
const SAFE_SETTINGS = {
  archive_mode: 'off',
  restore_command: '',
  primary_conninfo: '',
  primary_slot_name: '',
  recovery_target: '',
  recovery_target_lsn: '',
  recovery_target_name: '',
  recovery_target_time: '',
  recovery_target_xid: '',
  max_logical_replication_workers: '0',
};

/** tablespace_map: `<oid> <location>` per line; the server makes its links from it at the first start. */
export async function rewriteTablespaceMap(folder: string, tablespaces: BaseBackupFacts['tablespaces'], parent: string): Promise<void> {
  if (tablespaces.length === 0) return;
  // xlogrecovery.c reads a backslash as an escape of the next character (a line break in a path).
  const lines = tablespaces.map(({ oid }) => `${oid} ${join(parent, oid).replace(/[\\\n\r]/g, '\\$&')}\n`);
  await writeFile(join(folder, 'tablespace_map'), lines.join(''), { mode: 0o600 });
}

/** Adds what the copy needs to start safely, in files that `pg_verifybackup` leaves out of its comparison. */
export async function addSafeConfiguration(folder: string, facts: BaseBackupFacts): Promise<Finding[]> {
  const lines = Object.entries(SAFE_SETTINGS).map(([name, value]) => `${name} = '${value}'\n`);
  const note =
    "\n# Added by Rahat Backup's restore, so that this copy leaves its source's archive and peers alone. Remove what you want back.\n";
  await appendFile(join(folder, 'postgresql.auto.conf'), note + lines.join(''), { mode: 0o600 });
  const written: string[] = [];
  const settings = Object.entries(facts.settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  if (await addMissing(folder, 'postgresql.conf', settings.join(''))) written.push('postgresql.conf');
  const access = 'local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n';
  if (await addMissing(folder, 'pg_hba.conf', access)) written.push('pg_hba.conf');
  if (written.length === 0) return [];
  return [
    {
      code: 'minimal_configuration',
      severity: 'warning',
      message: `${written.join(' and ')} lay outside the source's data directory; the restored one got a minimal version.`,
      fix: "Copy the source's own files over them before you use the server.",
    },
  ];
}

async function addMissing(folder: string, name: string, content: string): Promise<boolean> {
  const path = join(folder, name);
  const present = await readFile(path).then(
    () => true,
    () => false,
  );
  if (!present) await writeFile(path, `# Written by Rahat Backup's restore: the backup holds no ${name}.\n${content}`, { mode: 0o600 });
  return !present;
}
