import type { RunType } from '@rahat/contracts';

/** Nothing of these runs is late: they have no deadline, are tried again without an end, and an idle source is no standstill. */
export function isEndless({ type }: { type: RunType }): boolean {
  return type === 'follow';
}

/** The same, for SQL. */
export const NOT_ENDLESS = `runs.type <> 'follow'`;
