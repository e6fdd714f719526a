import { RahatError, SourceChoice } from '@rahat/contracts';
import type { Plan, Server } from '@rahat/api-client';
import type { OrNone } from '../option-values.js';
import { bytes, visible } from '../terminal/format.js';
import { oneOf } from './list-filters.js';

/** What `plan create` and `plan update` say of the source; absent = not said. */
export interface SourceOptions {
  source?: string;
  sourceLag?: number;
  limitRate?: OrNone;
  limitRuns?: OrNone;
  limitReplicaLag?: OrNone;
  limitReplicaLagBytes?: OrNone;
  limitTransactions?: OrNone;
  limitLockWaits?: OrNone;
  limitIoWaits?: OrNone;
  yieldAfter?: OrNone;
}

export function sourceOf({ source, sourceLag }: SourceOptions): { from: SourceChoice['from']; lagSeconds?: number } | undefined {
  const from = oneOf(SourceChoice.shape.from, 'source', source);
  if (from === undefined) {
    if (sourceLag === undefined) return undefined;
    throw new RahatError('invalid_input', '--source-lag needs --source.');
  }
  return { from, ...(sourceLag === undefined ? {} : { lagSeconds: sourceLag }) };
}

/** What the options say of the limits; undefined when they say nothing. */
export function sourceLimitsOf(options: SourceOptions): Partial<Plan['sourceLimits']> | undefined {
  const percent = limitOf(options.limitIoWaits);
  const said = {
    bytesPerSecond: limitOf(options.limitRate),
    runsAtOnce: limitOf(options.limitRuns),
    replicaLagSeconds: limitOf(options.limitReplicaLag),
    replicaLagBytes: limitOf(options.limitReplicaLagBytes),
    transactionSeconds: limitOf(options.limitTransactions),
    lockWaits: limitOf(options.limitLockWaits),
    ioWaitShare: typeof percent === 'number' ? percent / 100 : percent,
    yieldSeconds: limitOf(options.yieldAfter),
  };
  return Object.values(said).every((value) => value === undefined) ? undefined : said;
}

function limitOf(said: OrNone | undefined): number | null | undefined {
  return said === 'none' ? null : said;
}

/** `prefer-replica, at most 60 s behind`, and the bounds that are set. */
export function sourceInWords({ source, sourceLimits: limits }: Pick<Plan, 'source' | 'sourceLimits'>): string {
  const where = source.from === 'primary' ? [] : [`${source.from}, at most ${source.lagSeconds} s behind`];
  const bounds: [number | null, (bound: number) => string][] = [
    [limits.bytesPerSecond, (bound) => `${bytes(bound)}/s`],
    [limits.runsAtOnce, (bound) => `${bound} at once on a server`],
    [limits.replicaLagSeconds, (bound) => `slower when a standby is ${bound} s behind`],
    [limits.replicaLagBytes, (bound) => `slower when a standby is ${bytes(bound)} behind`],
    [limits.transactionSeconds, (bound) => `slower when a transaction is open for ${bound} s`],
    [limits.lockWaits, (bound) => `slower when ${bound} sessions wait for locks`],
    [limits.ioWaitShare, (bound) => `slower when ${Math.round(bound * 100)} % of the sessions wait for the disk`],
    [limits.yieldSeconds, (bound) => `gives way to who waits ${bound} s for its locks`],
  ];
  return [...where, ...bounds.flatMap(([bound, text]) => (bound === null ? [] : [text(bound)]))].join('\n') || 'without limits';
}

/** `db2.example.org:5433`; `none` alone takes all away. */
export function standbysOf(given: readonly string[] | undefined): Server['standbys'] | undefined {
  if (given === undefined) return undefined;
  if (given.length === 1 && given[0] === 'none') return [];
  return given.map((text) => {
    const [, host, port] = /^(\[[^\]\s]+\]|[^:\s]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
    if (host === undefined)
      throw new RahatError('invalid_input', `"${visible(text)}" is no standby.`, {
        hint: 'Write host or host:port, and none alone to have none.',
      });
    return { host: host.replace(/^\[(.*)\]$/, '$1'), port: port === undefined ? 5432 : Number(port) };
  });
}
