import { lsnOf, type RecoveryTarget } from '@rahat/contracts';
import { leafOf, mainWay, reachesAt, waysFrom, type Base, type Log, type Way } from './ways.js';

/** How a target is reached. */
export interface Reached {
  base: Base;
  way: Way;
}

export interface Wanted {
  target: RecoveryTarget;
  /** Only by this way; absent = as PostgreSQL goes by itself. */
  timeline?: number | undefined;
}

/** The base with the shortest replay from which the target is reached; undefined = from none of them. */
export function reach(log: Log, bases: readonly Base[], wanted: Wanted): Reached | undefined {
  const reached = bases.flatMap((base) => {
    const way = wayOf(base, log, wanted.timeline);
    return way && isOn(way, base, wanted.target) ? [{ base, way }] : [];
  });
  return reached.sort((a, b) => leafOf(b.way).timeline - leafOf(a.way).timeline || b.base.at.getTime() - a.base.at.getTime())[0];
}

function wayOf(base: Base, log: Log, timeline: number | undefined): Way | undefined {
  const ways = waysFrom(base, log);
  return timeline === undefined ? mainWay(ways) : ways.find((way) => leafOf(way).timeline === timeline);
}

function isOn(way: Way, base: Base, target: RecoveryTarget): boolean {
  switch (target.kind) {
    case 'time': {
      const time = Date.parse(target.time);
      const last = reachesAt(way);
      // Without a transaction behind it PostgreSQL can't tell that the moment has come.
      return base.at.getTime() <= time && last !== null && time <= last.getTime();
    }
    case 'lsn': {
      const lsn = lsnOf(target.lsn);
      return base.end <= lsn && lsn <= way.at(-1)!.end;
    }
    // Only the replay itself finds them.
    case 'transaction':
    case 'name':
    case 'immediate':
    case 'end':
      return true;
  }
}
