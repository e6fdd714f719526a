import type { LogStream } from '@rahat/contracts';
import type { ServiceDatabase } from '@rahat/persistence';
import { loadedGauge, remembered, type Registry } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import { presentStream, SHOWN_STREAMS, type ShownStreamRow } from '../log-streams/present-stream.js';

const HOLD_MS = 15_000;
const FOLLOWED: ReadonlySet<LogStream['state']> = new Set(['following', 'lagging']);

interface Measured {
  organization: string;
  stream: LogStream;
}

/** What the ledger knows of the logs that are kept; each scheduler says the same. */
export class LogMetrics {
  constructor(database: ServiceDatabase, registry: Registry, clock: Clock) {
    const streams = remembered(
      async () => {
        const rows = await database.asSystem('tell metrics of logs', (transaction) =>
          transaction.query<ShownStreamRow>(`${SHOWN_STREAMS} WHERE log_streams.state <> 'stopped'`),
        );
        return rows.map((row): Measured => ({ organization: row.organization_id, stream: presentStream(row, clock.now()) }));
      },
      HOLD_MS,
      () => clock.now().getTime(),
    );
    const gauge = (name: string, help: string, valueOf: (stream: LogStream) => number | null) =>
      loadedGauge(registry, {
        name,
        help,
        labelNames: ['organization', 'server_id', 'server', 'stream'],
        samples: async () =>
          (await streams()).flatMap(({ organization, stream }) => {
            const value = valueOf(stream);
            const labels = { organization, server_id: stream.server, server: stream.serverName, stream: stream.id };
            return value === null ? [] : [{ labels, value }];
          }),
      });
    gauge('rahat_log_followed', '1 while the log is followed, 0 while nobody does', ({ state }) => (FOLLOWED.has(state) ? 1 : 0));
    gauge('rahat_log_lag_seconds', 'Since when the source has log that is not committed', ({ lagSeconds }) => lagSeconds);
    gauge('rahat_log_lag_bytes', 'Log of the source that is not committed', ({ lagBytes }) => lagBytes);
    gauge(
      'rahat_log_last_commit_timestamp_seconds',
      'Of which moment the last transaction in committed log is: the end of the recoverable window',
      ({ lastCommitAt }) => (lastCommitAt === null ? null : Date.parse(lastCommitAt) / 1000),
    );
    gauge('rahat_log_retained_bytes', 'Log that is kept, before deduplication and compression', ({ retainedBytes }) => retainedBytes);
    gauge('rahat_log_gaps', 'Gaps that were found in the log of the stream', ({ gaps }) => gaps);
  }
}
