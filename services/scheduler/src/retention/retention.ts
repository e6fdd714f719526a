import type { RetentionPolicy } from '@rahat/contracts';
import { rankOf, type Proof } from '../verification/proof.js';
import { localTimeAt, periodName, periodOf, PERIODS, type LocalTime, type Period } from './periods.js';

/** One backup of one line of backups: same plan, same repository, same database. */
export interface RetainedBackup {
  id: string;
  consistentAt: Date;
  state: 'succeeded' | 'partial';
  proof: Proof;
  /** A verification or restore reads it right now, or a backup is being taken upon it. */
  inUse: boolean;
  /** The backup that this one is restored upon; null = it stands alone. */
  base: string | null;
  sizeBytes: number;
  /** Why somebody said that it must stay. */
  hold: string | null;
  /** In the trash, or on its way there: it stands for nothing any more. */
  trashed: boolean;
}

export interface LinePolicy extends RetentionPolicy {
  /** What counts as proven for this plan. */
  demanded: Proof;
  /** Where hours, days, weeks, months and years begin. */
  timeZone: string;
}

export interface RetentionDecision {
  id: string;
  verdict: 'kept' | 'dropped' | 'trashed';
  reason: string;
  /** No rule of the policy wants it any more. It may stay for a while: until a newer one is proven, under a chain, in use. */
  due: boolean;
}

interface Candidate {
  backup: RetainedBackup;
  usable: boolean;
  proven: boolean;
  /** Newer ones. */
  newer: { usable: number; proven: number };
}

const DAY_MS = 86_400_000;
const COUNTS: Record<Period, (policy: RetentionPolicy) => number> = {
  year: ({ keepYearly }) => keepYearly,
  month: ({ keepMonthly }) => keepMonthly,
  week: ({ keepWeekly }) => keepWeekly,
  day: ({ keepDaily }) => keepDaily,
  hour: ({ keepHourly }) => keepHourly,
};

/**
 * Decides for one line of backups, newest first in the answer. It looks at no clock: ages count from the newest whole backup, periods
 * are those in which there is one, so neither missed days nor a clock that jumps shorten what is kept. Nothing goes that is not outlived
 * by a newer proven backup, and nothing that a kept one is restored upon. Asked again after its answer was carried out, it drops no more.
 */
export function decideRetention(backups: readonly RetainedBackup[], policy: LinePolicy): RetentionDecision[] {
  const newestFirst = inOrder(backups);
  const live = liveIn(newestFirst);
  const candidates = candidatesIn(live, policy);
  const wishes = wishesOf(candidates, policy);
  const kept = new Map<string, string>();
  const keep = (backup: RetainedBackup, reason: string): void => {
    kept.set(backup.id, reason);
    for (const base of missingBases(backup, live, kept)) kept.set(base.id, 'a kept backup is restored upon it');
  };
  for (const candidate of candidates) {
    const guard = guardOf(candidate, policy);
    if (guard !== undefined) keep(candidate.backup, guard);
  }
  let bytes = [...kept.keys()].reduce((sum, id) => sum + live.get(id)!.sizeBytes, 0);
  let isFull = false;
  const wanted = new Set(candidates.filter((candidate) => isOfFloor(candidate, policy)).map(({ backup }) => backup.id));
  for (const { backup } of candidates) {
    const wish = wishes.get(backup.id);
    if (wish === undefined || isFull) continue;
    if (kept.has(backup.id)) {
      wanted.add(backup.id);
      if (backup.hold === null) kept.set(backup.id, wish);
      continue;
    }
    const needed = [backup, ...missingBases(backup, live, kept)].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    isFull = policy.maxBytes !== null && bytes + needed > policy.maxBytes;
    if (isFull) continue;
    bytes += needed;
    wanted.add(backup.id);
    keep(backup, wish);
  }
  const newer = new Map(candidates.map((candidate) => [candidate.backup.id, candidate.newer]));
  return newestFirst.map(({ id, trashed, hold }): RetentionDecision => {
    if (trashed) return { id, verdict: 'trashed', reason: 'it is in the trash', due: false };
    const reason = kept.get(id);
    if (reason !== undefined) return { id, verdict: 'kept', reason, due: hold === null && !wanted.has(id) };
    const { usable, proven } = newer.get(id)!;
    return { id, verdict: 'dropped', reason: dropReason(wishes.has(id), usable, proven), due: true };
  });
}

/**
 * Why a person can't remove this one; undefined where they can. Damaged and partial backups may go although nothing newer is proven:
 * they stand for nothing, and whoever removes one knows which.
 */
export function obstacleTo(id: string, backups: readonly RetainedBackup[], policy: LinePolicy): string | undefined {
  const live = liveIn(inOrder(backups));
  const candidate = candidatesIn(live, policy).find(({ backup }) => backup.id === id);
  if (!candidate) return 'it is in the trash';
  const upon = [...live.values()].find((other) => other.id !== id && other.base === id);
  if (upon) return `the backup ${upon.id} is restored upon it`;
  return guardOf(candidate.usable ? candidate : { ...candidate, newer: { usable: 1, proven: 1 } }, policy);
}

function inOrder(backups: readonly RetainedBackup[]): RetainedBackup[] {
  return [...backups].sort((a, b) => b.consistentAt.getTime() - a.consistentAt.getTime() || (a.id < b.id ? 1 : -1));
}

function liveIn(newestFirst: readonly RetainedBackup[]): Map<string, RetainedBackup> {
  return new Map(newestFirst.filter(({ trashed }) => !trashed).map((backup) => [backup.id, backup]));
}

function candidatesIn(live: ReadonlyMap<string, RetainedBackup>, policy: LinePolicy): Candidate[] {
  const usable = usableIn(live);
  const newer = { usable: 0, proven: 0 };
  return [...live.values()].map((backup) => {
    const isUsable = usable.has(backup.id);
    const isProven = isUsable && rankOf(backup.proof) >= rankOf(policy.demanded);
    const candidate = { backup, usable: isUsable, proven: isProven, newer: { ...newer } };
    if (isUsable) newer.usable += 1;
    if (isProven) newer.proven += 1;
    return candidate;
  });
}

/** Damaged and partial backups stand for nothing when backups are counted, nor does what is restored upon one. */
function usableIn(live: ReadonlyMap<string, RetainedBackup>): Set<string> {
  const stands = new Map<string, boolean>();
  for (const backup of live.values()) {
    // In whatever order: where clocks differ, a base may seem newer than what is restored upon it.
    const above = new Set<RetainedBackup>();
    let link: RetainedBackup | undefined = backup;
    while (link && !stands.has(link.id) && !above.has(link)) {
      above.add(link);
      link = link.base === null ? undefined : live.get(link.base);
    }
    const last = [...above].at(-1);
    let whole = link ? (stands.get(link.id) ?? false) : last?.base === null;
    for (const { id, state, proof } of [...above].reverse()) {
      whole &&= state === 'succeeded' && proof !== 'damaged';
      stands.set(id, whole);
    }
  }
  return new Set([...stands].flatMap(([id, whole]) => (whole ? [id] : [])));
}

function missingBases(
  backup: RetainedBackup,
  live: ReadonlyMap<string, RetainedBackup>,
  kept: ReadonlyMap<string, string>,
): RetainedBackup[] {
  const missing = new Set<RetainedBackup>();
  let id = backup.base;
  while (id !== null && id !== backup.id && !kept.has(id)) {
    const base = live.get(id);
    // Bases of which only some are recorded may lead round in a circle, where clocks were set back.
    if (!base || missing.has(base)) break;
    missing.add(base);
    id = base.base;
  }
  return [...missing];
}

/** What no policy and no limit of size takes away. */
function guardOf({ backup, proven, newer }: Candidate, policy: LinePolicy): string | undefined {
  if (backup.hold !== null) return `held: ${backup.hold}`;
  if (isOfFloor({ proven, newer }, policy)) return `one of the last ${policy.keepProven} proven backups`;
  if (newer.proven === 0) return 'no newer backup is proven';
  return backup.inUse ? 'it is being verified or restored, or another backup is being taken upon it' : undefined;
}

function isOfFloor({ proven, newer }: Pick<Candidate, 'proven' | 'newer'>, { keepProven }: LinePolicy): boolean {
  return proven && newer.proven < keepProven;
}

/** What the policy wants to keep, and by which of its rules, as far as the limit of size allows it. */
function wishesOf(candidates: readonly Candidate[], policy: LinePolicy): Map<string, string> {
  const wishes = new Map<string, string>();
  const usable = candidates.filter((candidate) => candidate.usable);
  for (const { backup, usable: isUsable, newer } of candidates) {
    if (newer.usable >= policy.keepLast) continue;
    // A damaged or partial backup fills no place, but may hold the only copy of something until enough whole ones followed.
    wishes.set(
      backup.id,
      isUsable ? `one of the last ${policy.keepLast} backups` : `fewer than ${policy.keepLast} whole backups are newer`,
    );
  }
  const add = (id: string, reason: string) => void (wishes.has(id) || wishes.set(id, reason));
  const localTimes = new Map<string, LocalTime>();
  for (const period of PERIODS) for (const [id, reason] of keptForPeriods(usable, period, policy, localTimes)) add(id, reason);
  const newest = usable[0]?.backup.consistentAt.getTime();
  if (policy.keepDays !== null && newest !== undefined)
    for (const { backup } of usable) {
      if (newest - backup.consistentAt.getTime() > policy.keepDays * DAY_MS) break;
      add(backup.id, `not older than ${policy.keepDays} days`);
    }
  return wishes;
}

/** Of each of the last periods that have backups, the newest proven one; the newest where none is proven. */
function keptForPeriods(
  usable: readonly Candidate[],
  period: Period,
  policy: LinePolicy,
  localTimes: Map<string, LocalTime>,
): Map<string, string> {
  const count = COUNTS[period](policy);
  const chosen = new Map<string, Candidate>();
  for (const candidate of count > 0 ? usable : []) {
    const key = periodOf(localTimeOf(candidate.backup, policy, localTimes), period);
    const current = chosen.get(key);
    if (!current && chosen.size === count) break;
    if (!current || (candidate.proven && !current.proven)) chosen.set(key, candidate);
  }
  return new Map(
    [...chosen.values()].map(({ backup }) => {
      const name = periodName(localTimeOf(backup, policy, localTimes), period);
      return [backup.id, `the backup of ${name}, one of the last ${count} ${period}s`];
    }),
  );
}

function localTimeOf(backup: RetainedBackup, { timeZone }: LinePolicy, known: Map<string, LocalTime>): LocalTime {
  const found = known.get(backup.id) ?? localTimeAt(backup.consistentAt, timeZone);
  known.set(backup.id, found);
  return found;
}

function dropReason(wished: boolean, usable: number, proven: number): string {
  const outlived = `${usable} newer backups are whole, ${proven} of them proven`;
  return wished ? `the backups that go before it fill the limit of size; ${outlived}` : outlived;
}
