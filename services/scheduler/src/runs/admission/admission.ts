import type { WaitingFor } from '@rahat/contracts';

/** One thing that only so many runs may use at once. */
export interface Resource {
  /** The same for all runs that share it. */
  key: string;
  reason: 'server' | 'pool' | 'storage' | 'worker';
  /** Runs at once; undefined = no limit. */
  limit: number | undefined;
  /** What a run that finds no place is told. */
  message: string;
}

export interface Candidate {
  id: string;
  organization: string;
  /** 1 = first. */
  priority: number;
  dueAt: Date;
  resources: readonly Resource[];
}

/** Runs that have a place already. */
export interface Occupancy {
  byResource: ReadonlyMap<string, number>;
  byOrganization: ReadonlyMap<string, number>;
}

export interface Admission {
  admitted: string[];
  waiting: Map<string, WaitingFor>;
}

/** Who has waited this long comes before all priorities … */
const STARVING_AFTER_MS = 30 * 60_000;
/** … and who has waited this long holds on to each place that becomes free, because a run of several limits would else never find all of them free. */
const RESERVES_AFTER_MS = 15 * 60_000;

/** Which of the waiting runs get a place now. Never more than any limit; nobody waits for ever while places become free. */
export function admit(candidates: readonly Candidate[], occupied: Occupancy, now: Date): Admission {
  const used = new Map(occupied.byResource);
  const reserved = new Map<string, number>();
  const result: Admission = { admitted: [], waiting: new Map() };
  for (const candidate of inOrder(candidates, occupied.byOrganization, now)) {
    const full = candidate.resources.find(({ key, limit }) => limit !== undefined && (used.get(key) ?? 0) >= limit);
    const taken = candidate.resources.find(
      ({ key, limit }) => limit !== undefined && (used.get(key) ?? 0) + (reserved.get(key) ?? 0) >= limit,
    );
    if (!full && !taken) {
      result.admitted.push(candidate.id);
      for (const { key } of candidate.resources) used.set(key, (used.get(key) ?? 0) + 1);
      continue;
    }
    result.waiting.set(candidate.id, full ? { reason: full.reason, message: full.message } : TURN);
    if (now.getTime() - candidate.dueAt.getTime() >= RESERVES_AFTER_MS)
      for (const { key } of candidate.resources) reserved.set(key, (reserved.get(key) ?? 0) + 1);
  }
  return result;
}

const TURN: WaitingFor = { reason: 'turn', message: 'A run that has waited longer comes first.' };

/** Starving ones first; then by priority; at equal priority the organizations take turns, counting what they have running. */
function inOrder(candidates: readonly Candidate[], running: ReadonlyMap<string, number>, now: Date): Candidate[] {
  const starving = (candidate: Candidate) => now.getTime() - candidate.dueAt.getTime() >= STARVING_AFTER_MS;
  const ranked = [
    ...Map.groupBy(
      candidates,
      (candidate) => `${candidate.organization} ${starving(candidate) ? 'starving' : candidate.priority}`,
    ).values(),
  ].flatMap((group) =>
    group.sort(byAge).map((candidate, index) => ({
      candidate,
      band: starving(candidate) ? 0 : candidate.priority,
      turn: (running.get(candidate.organization) ?? 0) + index,
    })),
  );
  return ranked.sort((a, b) => a.band - b.band || a.turn - b.turn || byAge(a.candidate, b.candidate)).map(({ candidate }) => candidate);
}

function byAge(a: Candidate, b: Candidate): number {
  return a.dueAt.getTime() - b.dueAt.getTime() || (a.id < b.id ? -1 : 1);
}
