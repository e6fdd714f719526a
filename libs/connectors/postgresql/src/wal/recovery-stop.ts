import { lsnText, type RecoveryTarget } from '@rahat/contracts';
import type { LogSource } from '@rahat/connector-kit';
import { parseLogPosition } from '../physical/log-position.js';
import { formatLogTime, type LogEvent, LogRecords, parseLogTime } from './log-records.js';
import { type BasePlace, describeReach, type RecoveryRoute, unreachable } from './recovery-route.js';

/** What recovery is told, and how much log it needs for that. */
export interface RecoveryStop {
  /** The one `recovery_target…` setting, as name and value. */
  setting: [name: string, value: string];
  inclusive: boolean;
  /** Where the record begins that recovery stops at, before or behind it. */
  at: bigint;
  /** The log up to here is enough. */
  needed: bigint;
  /** For people. */
  description: string;
}

/**
 * Where recovery will stop, proven in the log itself before anything is touched: PostgreSQL fails when the log ends before its target.
 * `endedInBase`: when transactions ended in the base backup's own log, asked only where it matters.
 */
export async function findStop(
  target: RecoveryTarget,
  base: BasePlace,
  route: RecoveryRoute,
  log: Pick<LogSource, 'read'>,
  endedInBase: () => Promise<{ last?: bigint }>,
): Promise<RecoveryStop> {
  const reach = describeReach(base, route);
  switch (target.kind) {
    case 'immediate':
      return immediate(base);
    case 'end':
      return (await lastRecord(base, route, log)) ?? immediate(base);
    case 'time': {
      const time = parseLogTime(target.time);
      const { last } = await endedInBase();
      if (last !== undefined && last > time)
        throw unreachable(
          `${formatLogTime(time)} is before the end of the backup, which is consistent only from ${formatLogTime(last)} on`,
          `${reach} Take an older backup.`,
        );
      const found = await firstEvent(base, route, log, {
        look: (extent) => extent.cut || extent.range.lastCommitAt === undefined || parseLogTime(extent.range.lastCommitAt) >= time,
        matches: (event) => event.kind === 'transaction' && (target.inclusive ? event.at > time : event.at >= time),
      });
      if (found)
        return {
          setting: ['recovery_target_time', `${formatLogTime(time).replace('T', ' ').replace('Z', '')}+00`],
          inclusive: target.inclusive,
          at: found.start,
          needed: found.end,
          description: formatLogTime(time),
        };
      // The very last commit: there is none behind it by which PostgreSQL would know that it is past.
      const stop = route.lastCommitAt === time && target.inclusive ? await lastRecord(base, route, log) : undefined;
      if (stop) return { ...stop, description: formatLogTime(time) };
      throw unreachable(`${formatLogTime(time)} is after the last transaction in the log`, reach);
    }
    case 'lsn': {
      const position = parseLogPosition(target.lsn);
      if (position < base.end)
        throw unreachable(`${target.lsn} is before the end of the backup at ${lsnText(base.end)}`, `${reach} Take an older backup.`);
      const record = await firstRecordFrom(position, base, route, log);
      if (record !== undefined)
        return {
          setting: ['recovery_target_lsn', target.lsn],
          inclusive: target.inclusive,
          at: position,
          needed: record,
          description: `position ${target.lsn}`,
        };
      const stop = position <= route.end ? await lastRecord(base, route, log) : undefined;
      if (stop) return { ...stop, description: `position ${target.lsn}` };
      throw unreachable(`${target.lsn} is behind the end of the log at ${lsnText(route.end)}`, reach);
    }
    case 'transaction': {
      // Records hold the low 32 bits; pg_current_xact_id() tells 64.
      const id = Number(BigInt(target.transaction) & 0xffffffffn);
      const found = await firstEvent(base, route, log, {
        look: () => true,
        matches: (event) => event.kind === 'transaction' && event.transaction === id,
      });
      if (!found) throw unreachable(`transaction ${target.transaction} does not end in the log`, reach);
      return {
        setting: ['recovery_target_xid', String(id)],
        inclusive: target.inclusive,
        at: found.start,
        needed: found.end,
        description: `transaction ${target.transaction}`,
      };
    }
    case 'name': {
      const found = await firstEvent(base, route, log, {
        look: () => true,
        matches: (event) => event.kind === 'restore point' && event.name === target.name,
      });
      if (!found) throw unreachable(`the log holds no restore point "${target.name}"`, reach);
      return {
        setting: ['recovery_target_name', target.name],
        inclusive: true,
        at: found.start,
        needed: found.end,
        description: `point "${target.name}"`,
      };
    }
  }
}

function immediate(base: BasePlace): RecoveryStop {
  return {
    setting: ['recovery_target', 'immediate'],
    inclusive: true,
    at: base.end,
    needed: base.end,
    description: "the backup's own end",
  };
}

/** "To the end" names the last whole record: a log that breaks off before it fails the recovery instead of looking like its end. */
async function lastRecord(base: BasePlace, route: RecoveryRoute, log: Pick<LogSource, 'read'>): Promise<RecoveryStop | undefined> {
  // From behind, until a part holds the start of a record that is whole.
  let from = route.end;
  while (from > base.end) {
    from = startBefore(route, from, base.end);
    const records = new LogRecords(from, base.segmentSize);
    for await (const bytes of readRoute(route, log, from, route.end)) records.push(bytes);
    if (records.lastStart === undefined || records.lastEnd === undefined || records.lastStart < base.end) continue;
    return {
      setting: ['recovery_target_lsn', lsnText(records.lastStart)],
      inclusive: true,
      at: records.lastStart,
      needed: records.lastEnd,
      description: `the end of the log at ${lsnText(records.lastEnd)}`,
    };
  }
  return undefined;
}

const LOOK_BACK_BYTES = 1n << 20n;

function startBefore(route: RecoveryRoute, position: bigint, least: bigint): bigint {
  const start = position - LOOK_BACK_BYTES;
  const first = route.pieces[0]?.start ?? least;
  const page = start - (start % 8192n);
  return page < first ? first : page;
}

/** Where the first whole record that starts at or behind this position ends. */
async function firstRecordFrom(
  position: bigint,
  base: BasePlace,
  route: RecoveryRoute,
  log: Pick<LogSource, 'read'>,
): Promise<bigint | undefined> {
  if (position >= route.end || route.pieces.length === 0) return undefined;
  const from = startBefore(route, position, base.end);
  const records = new LogRecords(from, base.segmentSize);
  for await (const bytes of readRoute(route, log, from, route.end)) {
    records.push(bytes);
    if (records.lastStart !== undefined && records.lastStart >= position) return records.lastEnd;
  }
  return undefined;
}

async function firstEvent(
  base: BasePlace,
  route: RecoveryRoute,
  log: Pick<LogSource, 'read'>,
  wanted: { look(extent: RecoveryRoute['extents'][number]): boolean; matches(event: LogEvent): boolean },
): Promise<LogEvent | undefined> {
  const first = route.extents.find((extent) => extent.end > base.end && wanted.look(extent));
  const pieces = route.pieces[0];
  if (!first || !pieces) return undefined;
  // A record that ends in this part may have begun in one before it: from the page where it began it can be read.
  const start = first.start > pieces.start ? first.start : pieces.start;
  const from = startBefore(route, start, base.end);
  let found: LogEvent | undefined;
  const records = new LogRecords(from, base.segmentSize, (event) => {
    if (event.end > base.end && wanted.matches(event)) found ??= event;
  });
  for await (const bytes of readRoute(route, log, from, route.end)) {
    records.push(bytes);
    if (found) return found;
  }
  return undefined;
}

/** The bytes of the way in their order, across timelines. */
export async function* readRoute(route: RecoveryRoute, log: Pick<LogSource, 'read'>, start: bigint, end: bigint): AsyncGenerator<Buffer> {
  for (const piece of route.pieces) {
    const [from, to] = [piece.start > start ? piece.start : start, piece.end < end ? piece.end : end];
    if (from < to) yield* log.read(piece.timeline, from, to);
  }
}
