import type { SourceLimits } from '@rahat/contracts';
import type { StandbyLag } from './replica-lag.js';
import type { Bound } from './throttle.js';

export interface Measured {
  lags: readonly StandbyLag[];
  transactionSeconds: number;
  /** Sessions that wait for locks which are not ours. */
  lockWaits: number;
  ioWaitShare: number;
}

export interface NamedBound extends Bound {
  /** Part of a sentence. */
  text: string;
}

/** What the plan bounds, with what was measured of it. */
export function boundsOf(limits: SourceLimits, seen: Measured): NamedBound[] {
  const bounds: NamedBound[] = [];
  const bounded = (name: keyof SourceLimits, value: number, text: (value: number) => string): void => {
    const bound = limits[name];
    if (bound !== null) bounds.push({ name, value, bound, text: text(value) });
  };
  for (const { name, seconds, bytes } of seen.lags) {
    const behind = (text: string): string => `the standby '${name}' is ${text} behind`;
    bounded('replicaLagSeconds', seconds, (value) => behind(inSeconds(value)));
    bounded('replicaLagBytes', bytes, (value) => behind(inBytes(value)));
  }
  bounded('transactionSeconds', seen.transactionSeconds, (value) => `a transaction of another session is open for ${inSeconds(value)}`);
  bounded('lockWaits', seen.lockWaits, (value) => `${value} sessions wait for locks`);
  bounded('ioWaitShare', seen.ioWaitShare, (value) => `${Math.round(value * 100)} % of the sessions at work wait for the disk`);
  return bounds;
}

/** Whether anything has to be looked at on the server itself. */
export function needsLooks({ bytesPerSecond: _rate, runsAtOnce: _runs, ...looked }: SourceLimits): boolean {
  return Object.values(looked).some((bound) => bound !== null);
}

export function inSeconds(seconds: number): string {
  return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} s`;
}

export function inBytes(bytes: number): string {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
