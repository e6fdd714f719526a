import type { BackupType } from '@rahat/contracts';

interface Linked {
  id: string;
  snapshot?: string;
  type: BackupType;
  consistentAt: Date;
  /** Snapshot that it is restored upon, where that is recorded. */
  parent?: string | null;
}

/**
 * What each backup of one line is restored upon; full ones stand alone. Where nothing is recorded, a differential needs the full one
 * before it; of the others everything back to a full one counts as needed, which may be more than a method needs, and never less.
 */
export function basesOf(line: readonly Linked[]): Map<string, string | null> {
  const oldestFirst = [...line].sort((a, b) => a.consistentAt.getTime() - b.consistentAt.getTime() || (a.id < b.id ? -1 : 1));
  const bases = new Map<string, string | null>();
  const bySnapshot = new Map(line.flatMap(({ id, snapshot }) => (snapshot === undefined ? [] : [[snapshot, id]])));
  let full: string | undefined;
  let previous: string | undefined;
  for (const { id, type, parent } of oldestFirst) {
    // Before anything but a full backup there must be one: a chain whose begin is gone leads to itself and to nothing else.
    const recorded = parent == null ? undefined : (bySnapshot.get(parent) ?? id);
    const base = type === 'full' ? null : (recorded ?? (type === 'differential' ? full : previous) ?? id);
    bases.set(id, base);
    if (type === 'full') full = id;
    previous = id;
  }
  return bases;
}
