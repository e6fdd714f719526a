import type { ContinuousLog } from '@rahat/contracts';
import type { LogStreamRow } from './log-streams.table.js';

/** The log of a server in a repository, as a plan asks for it. */
export interface WantedLog {
  server: string;
  repository: string;
  plan: string;
  settings: ContinuousLog;
  /** Since when the plan is paused: nothing is followed then. */
  pausedAt: Date | null;
}

type Known = Pick<
  LogStreamRow,
  'id' | 'server_id' | 'repository_id' | 'plan_id' | 'state' | 'stop_reason' | 'drop_at' | 'drop_tries' | 'settings'
>;

export interface StreamDecisions {
  start: WantedLog[];
  resume: { stream: string; wanted: WantedLog }[];
  /** Its follower ends now, its slot goes at `dropAt`. */
  stop: { stream: string; reason: string; dropAt: Date }[];
  /** Belongs to another plan, or is to be followed in another way. */
  change: { stream: string; wanted: WantedLog }[];
}

export const PAUSED = 'The plan is paused.';
const UNWANTED = 'No plan asks for this log any more.';

/** What plans ask for against what is there. `keptMs`: so long the slot of a paused plan keeps the log on the source. */
export function decideStreams(wanted: readonly WantedLog[], known: readonly Known[], now: Date, keptMs: number): StreamDecisions {
  const decisions: StreamDecisions = { start: [], resume: [], stop: [], change: [] };
  const byKey = new Map<string, WantedLog>();
  for (const log of wanted) {
    const other = byKey.get(keyOf(log.server, log.repository));
    // Of several plans one follows: one that runs, and always the same.
    if (!other || (other.pausedAt && !log.pausedAt) || (!other.pausedAt === !log.pausedAt && log.plan < other.plan))
      byKey.set(keyOf(log.server, log.repository), log);
  }
  const followed = new Set<string>();
  for (const stream of known.filter(({ state }) => state === 'active')) {
    const key = keyOf(stream.server_id, stream.repository_id);
    const log = byKey.get(key);
    if (!log) decisions.stop.push({ stream: stream.id, reason: UNWANTED, dropAt: now });
    else if (log.pausedAt) decisions.stop.push({ stream: stream.id, reason: PAUSED, dropAt: new Date(log.pausedAt.getTime() + keptMs) });
    else {
      followed.add(key);
      if (stream.plan_id !== log.plan || !sameSettings(stream.settings, log.settings))
        decisions.change.push({ stream: stream.id, wanted: log });
    }
  }
  for (const stream of known.filter(({ state }) => state === 'stopping')) {
    const key = keyOf(stream.server_id, stream.repository_id);
    const log = byKey.get(key);
    if (stream.stop_reason !== PAUSED) continue;
    if (!log) {
      if (stream.drop_at! > now) decisions.stop.push({ stream: stream.id, reason: UNWANTED, dropAt: now });
    } else if (!log.pausedAt && !followed.has(key) && stream.drop_tries === 0) {
      followed.add(key);
      decisions.resume.push({ stream: stream.id, wanted: log });
    }
  }
  for (const [key, log] of byKey) if (!log.pausedAt && !followed.has(key)) decisions.start.push(log);
  return decisions;
}

function keyOf(server: string, repository: string): string {
  return `${server} ${repository}`;
}

function sameSettings(a: ContinuousLog, b: ContinuousLog): boolean {
  return a.commitSeconds === b.commitSeconds && a.heartbeatSeconds === b.heartbeatSeconds && (a.way ?? 'follow') === (b.way ?? 'follow');
}
