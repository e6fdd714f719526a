import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { RahatError } from '@rahat/contracts';
import type { ServerAccount } from './server-account.js';
import type { ServerPrograms } from './server-programs.js';

export const SUPERUSER = 'rahat';

/** What a whole cluster has; initdb writes the control file late. */
const SIGNS_OF_A_CLUSTER = ['PG_VERSION', 'global/pg_control', 'base', 'pg_wal'];

export interface ClusterState {
  made: boolean;
  /** Where a half-made folder without data was put. */
  setAside?: string;
}

/**
 * Makes the cluster when there is none. It is made beside its place and renamed when it is whole, so a kill in
 * between leaves nothing that could be taken for data.
 */
export function ensureCluster(
  cluster: string,
  password: string,
  programs: ServerPrograms,
  account: ServerAccount | undefined,
): ClusterState {
  const unfinished = `${cluster}.unfinished`;
  mkdirSync(path.dirname(cluster), { recursive: true, mode: 0o700 });
  if (account) chownSync(path.dirname(cluster), account.uid, account.gid);
  rmSync(unfinished, { recursive: true, force: true });
  const setAside = setAsideHalfMade(cluster);
  if (existsSync(cluster)) return { made: false };

  mkdirSync(unfinished, { mode: 0o700 });
  const passwordFile = path.join(path.dirname(cluster), 'first-password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (account) for (const file of [unfinished, passwordFile]) chownSync(file, account.uid, account.gid);
  const result = spawnSync(
    programs.initdb,
    [
      ...['-D', unfinished, '-U', SUPERUSER, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8', '--data-checksums'],
      // The built-in provider doesn't depend on the machine's locales, which change under an index.
      ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    ],
    {
      encoding: 'utf8',
      cwd: path.dirname(cluster),
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      ...(account && { uid: account.uid, gid: account.gid }),
    },
  );
  rmSync(passwordFile);
  if (result.error || result.status !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    throw new RahatError(
      'configuration_invalid',
      `The embedded PostgreSQL could not make its data folder: ${lastLine(result.stderr) ?? result.error?.message ?? `exit ${result.status ?? result.signal}`}`,
      {
        hint: 'Free disk space or set RAHAT_DATA_DIR to another folder; DATABASE_URL uses a PostgreSQL of your own.',
      },
    );
  }
  renameSync(unfinished, cluster);
  return { made: true, setAside };
}

/** A folder that isn't a cluster is moved away when it holds no data, else it is for a person to look at. */
function setAsideHalfMade(cluster: string): string | undefined {
  if (!existsSync(cluster)) return undefined;
  const missing = SIGNS_OF_A_CLUSTER.filter((sign) => !existsSync(path.join(cluster, sign)));
  if (missing.length === 0) return undefined;
  if (holdsData(cluster)) {
    throw new RahatError('configuration_invalid', `${cluster} is damaged: ${missing.join(', ')} missing, but it holds data`, {
      hint: 'Restore it from a backup of this folder, or move it away to begin anew; nothing was changed.',
    });
  }
  const aside = `${cluster}.half-made-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
  renameSync(cluster, aside);
  return aside;
}

/** initdb makes the databases 1, 4 and 5; later ones have larger numbers. */
function holdsData(cluster: string): boolean {
  const base = path.join(cluster, 'base');
  return existsSync(base) && readdirSync(base).some((name) => Number(name) > 5);
}

function lastLine(text: string | null): string | undefined {
  return text
    ?.trim()
    .split('\n')
    .findLast((line) => /error|fatal|could not/i.test(line));
}
