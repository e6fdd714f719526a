import { setTimeout as delay } from 'node:timers/promises';
import type { FollowEnd, FollowRequest, Job } from '@rahat/connector-kit';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import type { PostgresqlConnection } from '@rahat/contracts';
import { parseLogPosition } from '../physical/log-position.js';
import { followLog } from './follow-log.js';
import type { LogInMemory } from './log-in-memory.js';

export { LogInMemory } from './log-in-memory.js';
export { type ArtifactsInMemory, backUp, connectionTo, failureOf, quietJob } from '../physical/test-parts.js';

export const followRequest: FollowRequest = {
  stream: 'stream_spec',
  repository: 'repository_spec',
  slot: 'rhb_spec',
  label: 'rhb-spec',
  commitSeconds: 0.2,
  heartbeatSeconds: 0,
};

/** A base backup restored later needs the pages that full_page_writes keeps. */
export const followedSettings = { full_page_writes: 'on', wal_level: 'replica', max_wal_size: '1GB' };

const serverPackages = fileURLToPath(new URL('../../../../../tools/test-servers/node_modules', import.meta.url));

export function toolFoldersOf(major: number): string[] {
  return [join(serverPackages, `postgresql-${major}`), '/usr/lib/postgresql/15/bin'];
}

export interface Follower extends AsyncDisposable {
  /** Rejects when the follower failed, also before it is stopped. */
  readonly end: Promise<FollowEnd>;
  stop(): Promise<FollowEnd>;
  readonly warnings: string[];
}

export function startFollower(connection: PostgresqlConnection, log: LogInMemory, changed: Partial<FollowRequest> = {}): Follower {
  const stopping = new AbortController();
  const warnings: string[] = [];
  const job: Job = {
    signal: stopping.signal,
    progress: () => undefined,
    log: (level, message) => level === 'warning' && warnings.push(message),
  };
  const end = followLog(connection, { ...followRequest, ...changed }, log, job);
  end.catch(() => undefined);
  const stop = () => {
    stopping.abort();
    return end;
  };
  return { end, stop, warnings, [Symbol.asyncDispose]: async () => void (await stop().catch(() => undefined)) };
}

interface Queried {
  query(sql: string): Promise<Record<string, unknown>[]>;
}

/** Until the log is kept up to where the server is now. */
export async function caughtUp(server: Queried, log: LogInMemory, follower?: Follower): Promise<void> {
  // What nobody waited for (synchronous_commit = off) is written by the log writer a moment later.
  const [row] = await server.query('SELECT pg_current_wal_insert_lsn()::text AS position');
  await until(() => parseLogPosition(log.end.lsn) >= parseLogPosition(String(row?.position)), follower);
}

export async function until(state: () => boolean | Promise<boolean>, follower?: Follower): Promise<void> {
  const deadline = Date.now() + 60_000;
  const ended = follower?.end.then(
    (end) => Promise.reject(new Error(`The follower ended: ${JSON.stringify(end)}`)),
    (error: unknown) => Promise.reject(error instanceof Error ? error : new Error(String(error))),
  );
  ended?.catch(() => undefined);
  while (!(await state())) {
    if (Date.now() > deadline) throw new Error(`It did not come about within 60 s: ${follower?.warnings.join('; ')}`);
    await Promise.race([delay(50), ...(ended ? [ended] : [])]);
  }
}
