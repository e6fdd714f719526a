import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError, type LiveMessage } from '@rahat/contracts';
import { openMessaging, type Messaging } from '@rahat/messaging';
import { hasRedis } from '@rahat/test-servers';
import { io, type Socket } from 'socket.io-client';
import type { BenchOptions } from '../bench-options.js';
import { percentile, spread } from '../orchestration/durations.js';
import type { BenchResult } from '../result-table.js';
import { keysFor, type FilledCluster } from './filled-cluster.js';

const SOCKETS = { full: 2_000, quick: 200 };
const SECONDS = { full: 60, quick: 20 };
const SOCKETS_OF_A_USER = 20;
const CONNECTED_AT_ONCE = 50;
const EVENT_EVERY_MS = 1_000;
/** The last event may still be on its way. */
const LAST_WAIT_MS = 3_000;
const MEMORY_LIMIT_MB = 150;

/** Sockets of many users at one gateway, all of which follow the organization; the events come as a worker's progress comes. */
export async function liveSocketsCase(cluster: FilledCluster, { quick, log }: BenchOptions): Promise<BenchResult[]> {
  const size = quick ? 'quick' : 'full';
  const [count, seconds] = [SOCKETS[size], SECONDS[size]];
  const gateway = processOf(cluster, 'gateway-1');
  const url = cluster.gateways[0]!;
  const before = residentMb(gateway);
  const keys = await keysFor(cluster.client, Math.ceil(count / SOCKETS_OF_A_USER));
  log(`${count} sockets of ${keys.length} users connect …`);
  const lags: number[] = [];
  const sockets: Socket[] = [];
  await using messaging = await queuesOf(cluster);
  for (let opened = 0; opened < count; opened += CONNECTED_AT_ONCE)
    sockets.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(CONNECTED_AT_ONCE, count - opened) }, (_, number) =>
          follow(url, keys[Math.floor((opened + number) / SOCKETS_OF_A_USER)]!, opened + number, lags),
        ),
      )),
    );
  log(`a progress event each second for ${seconds} s …`);
  let most = residentMb(gateway);
  for (let sent = 0; sent < seconds; sent++) {
    const progress = { phase: 'dumping', object: 'shop.orders', bytes: sent * 1_000_000, totalBytes: 1e9, at: new Date().toISOString() };
    await messaging.open.signal('live', { organization: cluster.organization, run: 'run_bench', kind: 'progress', attempt: 1, progress });
    await sleep(EVENT_EVERY_MS);
    most = Math.max(most, residentMb(gateway));
  }
  await sleep(LAST_WAIT_MS);
  const left = sockets.filter(({ connected }) => connected).length;
  for (const socket of sockets) socket.disconnect();
  return [
    {
      case: `memory of a gateway with ${count} sockets`,
      ours: most,
      theirs: before,
      peer: 'without',
      unit: 'MB',
      target: `< ${MEMORY_LIMIT_MB} MB`,
      met: most < MEMORY_LIMIT_MB && left === count,
      note: `resident, at most; ${left} of ${count} still connected`,
    },
    {
      case: `a progress event each second to ${count} sockets, p95`,
      ours: percentile(lags, 0.95),
      unit: 'ms',
      target: 'all heard',
      met: lags.length === seconds * count,
      note: `${spread(lags)}; ${lags.length} of ${seconds * count} heard`,
    },
  ];
}

async function follow(url: string, token: string, number: number, lags: number[]): Promise<Socket> {
  const socket = io(url, {
    path: '/api/v2/live',
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    auth: { token },
    // As a proxy tells it: each user comes from an address of his own.
    extraHeaders: { 'x-forwarded-for': `10.2.${(number >> 8) & 255}.${number & 255}` },
  });
  socket.on('event', ({ type, data }: LiveMessage) => {
    if (type === 'progress') lags.push(Date.now() - Date.parse((data as { at: string }).at));
  });
  const answer = (await socket.timeout(30_000).emitWithAck('follow', {})) as { ok: boolean; error?: { message: string } };
  if (!answer.ok) throw new RahatError('unavailable', `A socket could not follow: ${answer.error?.message}`);
  return socket;
}

/** The cluster's own queues, by which services tell each other of progress. */
async function queuesOf({ folder }: FilledCluster): Promise<AsyncDisposable & { open: Messaging }> {
  const urlIn = (file: string): string => readFileSync(path.join(folder, 'data/keys/processes', file), 'utf8').trim();
  const place = hasRedis() ? { redisUrl: urlIn('redis-url') } : { postgresUrl: urlIn('queue-database-url') };
  const open = await openMessaging({ ...place, prefix: 'rahat' });
  return { open, [Symbol.asyncDispose]: () => open.close() };
}

function processOf({ folder }: FilledCluster, name: string): number {
  const { processes } = JSON.parse(readFileSync(path.join(folder, 'data/runtime.json'), 'utf8')) as {
    processes: { name: string; pid: number | null }[];
  };
  const pid = processes.find((process) => process.name === name)?.pid;
  if (!pid) throw new RahatError('unavailable', `The cluster has no process ${name}.`);
  return pid;
}

function residentMb(pid: number): number {
  return (Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024) / 1e6;
}
