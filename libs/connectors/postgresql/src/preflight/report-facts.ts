import type { TLSSocket } from 'node:tls';
import type { PreflightReport } from '@rahat/contracts';
import { streamOf } from '../connect.js';
import type { RoutedConnection } from '../reach/index.js';
import { findTools } from '../tools.js';
import type { ReachedServer } from './reach-server.js';
import type { ReplicaState } from './server-findings.js';
import { tokenFact } from './token-findings.js';

type Fact = PreflightReport['facts'][number];

interface Seen {
  replica: ReplicaState | undefined;
  databases: readonly { name: string; sizeBytes: number; connectable: boolean }[];
  /** Whether a token of Amazon may let the user in; null where nothing was said of tokens. */
  tokenMember: boolean | null;
  toolFolders: readonly string[];
}

/** What was seen on the way; each line can be read alone. */
export async function reportFacts(server: ReachedServer, connection: RoutedConnection, seen: Seen): Promise<Fact[]> {
  const { rights, managed, identity, latencyMs } = server;
  const tools = (await findTools(seen.toolFolders)).filter(({ pgDump }) => pgDump !== undefined).map(({ version }) => version);
  const facts: [Fact['section'], string, string | undefined][] = [
    ['reach', 'address', `${connection.host}:${connection.port}`],
    ['reach', 'SSH host', connection.route && connection.ssh?.host],
    ['reach', 'encryption', encryptionOf(server)],
    ['reach', 'one question', `${latencyMs} ms`],
    ['version', 'server', `PostgreSQL ${rights.version}`],
    ['version', 'pg_dump on the worker', tools.length > 0 ? [...new Set(tools)].join(', ') : 'none'],
    ['identity', 'identity', identity],
    ['identity', 'role', roleOf(rights.recovery, seen.replica)],
    ['provider', 'run by', managed ? `${managed.title} (${managed.marks.join(', ')})` : 'nobody known: a server of your own'],
    ['rights', 'user', `${rights.user}, ${attributesOf(rights)}`],
    ['rights', 'log-in', tokenFact(connection, seen.tokenMember)],
    ['databases', 'databases', String(seen.databases.length)],
    ['settings', 'wal_level', rights.walLevel],
    ['settings', 'max_wal_senders', String(rights.maxWalSenders)],
  ];
  return facts.flatMap(([section, name, value]) => (value === undefined ? [] : [{ section, name, value }]));
}

function encryptionOf({ client, encrypted }: ReachedServer): string {
  if (!encrypted) return 'none';
  return (streamOf(client) as TLSSocket).getProtocol() ?? 'TLS';
}

function roleOf(recovery: boolean, replica: ReplicaState | undefined): string {
  if (!recovery) return 'primary';
  const behind = replica?.behindSeconds;
  return behind === undefined || behind === null ? 'replica' : `replica, ${Math.round(behind)} s behind`;
}

function attributesOf({ superuser, replication, bypassRls }: ReachedServer['rights']): string {
  if (superuser) return 'superuser';
  const attributes = [replication ? 'REPLICATION' : '', bypassRls ? 'BYPASSRLS' : ''].filter((one) => one !== '');
  return attributes.length > 0 ? attributes.join(', ') : 'ordinary user';
}
