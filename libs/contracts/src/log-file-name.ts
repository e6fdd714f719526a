/** What PostgreSQL archives, told by its name alone. */
export type LogFileName =
  | { kind: 'segment'; timeline: number; high: number; low: number }
  /** The last segment of a timeline that was left, as far as it was written: the new timeline's own segment begins with the same bytes. */
  | { kind: 'partial' }
  | { kind: 'history'; timeline: number }
  /** Where a base backup began and ended; each holds that itself. */
  | { kind: 'backup' };

/** xlog_internal.h: XLogFileName, TLHistoryFileName, BackupHistoryFileName. Undefined for any other name. */
export function parseLogFileName(name: string): LogFileName | undefined {
  const [, timeline, high, low, rest] = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial|\.[0-9A-F]{8}\.backup)?$/.exec(name) ?? [];
  const numberOf = (digits: string) => Number.parseInt(digits, 16);
  if (timeline !== undefined && high !== undefined && low !== undefined) {
    if (numberOf(timeline) === 0) return undefined;
    if (rest === '.partial') return { kind: 'partial' };
    if (rest !== undefined) return { kind: 'backup' };
    return { kind: 'segment', timeline: numberOf(timeline), high: numberOf(high), low: numberOf(low) };
  }
  const [, branch] = /^([0-9A-F]{8})\.history$/.exec(name) ?? [];
  return branch !== undefined && numberOf(branch) > 1 ? { kind: 'history', timeline: numberOf(branch) } : undefined;
}
