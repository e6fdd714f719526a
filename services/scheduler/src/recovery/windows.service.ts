import type { Principal, ServerWindows } from '@rahat/contracts';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import { type BaseRow, basesIn, type KnownLog, knownLogs, restorableBases } from '../log-streams/known-log.js';
import { streamsOf, type LogGapRow } from '../log-streams/log-streams.table.js';
import { presentStream, SHOWN_STREAMS, type ShownStreamRow } from '../log-streams/present-stream.js';
import { findServer } from '../servers/servers.table.js';
import { presentGap, presentWindow } from './present-windows.js';
import type { Base } from './ways.js';
import { windowsOf } from './windows.js';

const GAPS_SHOWN = 100;

export interface RecoverableLog {
  known: KnownLog;
  bases: Base[];
}

/** The log of a server with the bases that it is replayed on, for each stream of which log is kept. */
export async function recoverableLogs(transaction: Transaction, server: string): Promise<RecoverableLog[]> {
  return logsWith(await restorableBases(transaction, server), transaction, server);
}

async function logsWith(bases: readonly BaseRow[], transaction: Transaction, server: string): Promise<RecoverableLog[]> {
  const logs = await knownLogs(transaction, await streamsOf(transaction, server));
  return logs.map((known) => ({ known, bases: basesIn(known, bases) }));
}

/** Which moments of a server can be recovered (product.md, promise 3). */
export class WindowsService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly clock: Clock,
  ) {}

  async windows(principal: Principal, serverId: string): Promise<ServerWindows> {
    return this.database.inOrganization(principal, async (transaction) => {
      const server = await findServer(transaction, serverId);
      const physical = await restorableBases(transaction, server.id);
      const logs = await logsWith(physical, transaction, server.id);
      const windows = logs
        .flatMap(({ known, bases }) => windowsOf(known.log, bases).map((window) => presentWindow(known.stream, window)))
        .sort((a, b) => (a.to < b.to ? -1 : 1));
      const gaps = await transaction.query<LogGapRow>(
        `SELECT * FROM log_gaps WHERE server_id = $1 ORDER BY found_at DESC, id DESC LIMIT ${GAPS_SHOWN}`,
        [server.id],
      );
      const streams = await transaction.query<ShownStreamRow>(
        `${SHOWN_STREAMS} WHERE log_streams.id = ANY ($1::text[]) ORDER BY log_streams.id`,
        [logs.map(({ known }) => known.stream.id)],
      );
      const covered = new Set(windows.flatMap(({ backups }) => backups));
      return {
        server: server.id,
        from: windows.at(-1)?.from ?? null,
        to: windows.at(-1)?.to ?? null,
        windows,
        gaps: gaps.reverse().map(presentGap),
        withoutLog: physical.map(({ id }) => id).filter((id) => !covered.has(id)),
        streams: streams.map((row) => presentStream(row, this.clock.now())),
      };
    });
  }
}
