/** What a server tells of itself when it is asked whether it may be read. */
export interface SourceLook {
  identity: string;
  inRecovery: boolean;
  /** What it has written, or replayed: bytes of the log from its very beginning. */
  position: number;
  /** Age of the last transaction that a standby replayed; null = it replayed none. */
  replayedSeconds: number | null;
}

/** What standbys are compared with. `position` is older than their looks, so one that has as much is not behind. */
export interface Reference {
  identity: string | undefined;
  position: number | undefined;
}

export type Fitness = { fit: true; lagSeconds: number } | { fit: false; reason: string };

/** Whether a standby may be read in the primary's place. Where nothing proves it, it may not. */
export function fitnessOf(look: SourceLook, reference: Reference, mostLagSeconds: number): Fitness {
  if (!look.inRecovery) return unfit('it is no standby (any more): it takes writes of its own');
  if (reference.identity === undefined) return unfit('whose standby it is is not known, because the primary never told its identity');
  if (look.identity !== reference.identity)
    return unfit(`it is a standby of another server: its identity is ${look.identity}, not ${reference.identity}`);
  if (reference.position !== undefined && look.position >= reference.position) return { fit: true, lagSeconds: 0 };
  // Of a primary that can't be asked this is the most that can be said; an idle one makes it look older than it is.
  if (look.replayedSeconds === null) return unfit('how far it is behind is not known: it has replayed no transaction');
  const lagSeconds = Math.max(0, look.replayedSeconds);
  if (lagSeconds > mostLagSeconds) return unfit(`it is ${Math.round(lagSeconds)} s behind, more than ${mostLagSeconds} s`);
  return { fit: true, lagSeconds };
}

function unfit(reason: string): Fitness {
  return { fit: false, reason };
}
