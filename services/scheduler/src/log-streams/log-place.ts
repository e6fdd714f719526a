import { LogPosition, METHODS, type BackupMethod } from '@rahat/contracts';
import { z } from 'zod';

const Positions = z.object({
  startLsn: LogPosition.shape.lsn,
  endLsn: LogPosition.shape.lsn,
  timeline: LogPosition.shape.timeline,
  systemIdentifier: z.string(),
});

export interface LogPlace {
  timeline: number;
  start: string;
  end: string;
  system: string;
}

/** Where in the log of its server a backup lies, as far as its method tells. */
export function logPlaceOf(method: BackupMethod, positions: Record<string, string | number> | undefined): LogPlace | undefined {
  if (!METHODS[method].log) return undefined;
  const told = Positions.safeParse(positions);
  if (!told.success) return undefined;
  const { timeline, startLsn, endLsn, systemIdentifier } = told.data;
  return { timeline, start: startLsn, end: endLsn, system: systemIdentifier };
}
