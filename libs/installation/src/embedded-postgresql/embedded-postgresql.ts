import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PostgresqlConnection } from '@rahat/contracts';
import type { DataFolder } from '../data-folder/data-folder.js';
import { readOrMakePassword } from '../keys/password-file.js';
import { ensureCluster, SUPERUSER } from './cluster.js';
import { startEmbeddedServer } from './embedded-server.js';
import { demandPassage, serverAccount } from './server-account.js';
import { findServerPrograms } from './server-programs.js';

export interface EmbeddedPostgresql {
  version: string;
  host: string;
  port: number;
  /** For the platform's own protection. */
  connection: PostgresqlConnection;
  adminUrl: string;
  /** True at the very first start. */
  made: boolean;
  /** Where a half-made data folder without data was moved. */
  setAside?: string;
  stop(): Promise<void>;
}

/** The platform's own PostgreSQL: made once in the data folder, then started on its last port or the next free one. */
export async function openEmbeddedPostgresql(
  folder: DataFolder,
  firstPort: number,
  onDeath?: (words: string) => void,
): Promise<EmbeddedPostgresql> {
  const programs = findServerPrograms();
  // The major is part of the path: another one could not read this data.
  const cluster = path.join(folder.postgresql, programs.version.split('.')[0]!);
  const account = serverAccount(cluster);
  demandPassage(account, folder.root, 'data');
  demandPassage(account, programs.folder, 'programs');
  const password = readOrMakePassword(path.join(folder.keys, 'postgresql-password'));
  const { made, setAside } = ensureCluster(cluster, password, programs, account);
  const portFile = path.join(folder.postgresql, 'port');
  const server = await startEmbeddedServer({
    cluster,
    logFile: path.join(folder.logs, 'postgresql.log'),
    password,
    wantedPort: lastPort(portFile) ?? firstPort,
    programs,
    account,
    onDeath,
  });
  // The same port each time, where possible: the platform's own protection knows the server by it.
  writeFileSync(portFile, `${server.port}\n`, { mode: 0o600 });
  return {
    version: server.version,
    host: '127.0.0.1',
    port: server.port,
    connection: { host: '127.0.0.1', port: server.port, user: SUPERUSER, password, maintenanceDatabase: 'postgres', tls: 'disable' },
    adminUrl: server.adminUrl,
    made,
    setAside,
    stop: server.stop,
  };
}

function lastPort(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const port = Number(readFileSync(file, 'utf8'));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}
