import { appendFile, mkdir, open, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Job, LogRecovery } from '@rahat/connector-kit';
import { type Finding, lsnText, RahatError } from '@rahat/contracts';
import type { BasePlace, RecoveryRoute } from './recovery-route.js';
import { readRoute, type RecoveryStop } from './recovery-stop.js';
import { historyFileName, parseTimelineHistory, segmentFileName } from './timeline-history.js';

/** Below the data directory: the server's own restore_command reaches it without naming a path of this machine. */
export const RECOVERY_LOG_FOLDER = 'rhb_recovery_log';

/** A recovery that was proven to be possible. */
export interface PlannedRecovery {
  base: BasePlace;
  route: RecoveryRoute;
  stop: RecoveryStop;
  recovery: LogRecovery;
}

/**
 * Puts the log that recovery needs, and its orders, into a restored data folder. A byte that is missing or damaged fails it. The folder
 * may have a recovery with log up to `from`, which this one goes on from; its orders are the last thing that changes.
 */
export async function addRecovery(folder: string, planned: PlannedRecovery, job: Job, from = planned.base.end): Promise<number> {
  const { base, route, stop, recovery } = planned;
  const place = join(folder, RECOVERY_LOG_FOLDER);
  await mkdir(place, { recursive: true, mode: 0o700 });
  for (const { timeline } of parseTimelineHistory(route.timeline, recovery.log.histories.get(route.timeline))) {
    const content = recovery.log.histories.get(timeline);
    if (content) await writeFile(join(place, historyFileName(timeline)), content, { mode: 0o600 });
  }
  const bytes = stop.needed > base.end ? await writeSegments(place, planned, from, job) : 0;
  await appendFile(join(folder, 'postgresql.auto.conf'), recoveryOrders(route, stop, recovery.action ?? 'promote'), { mode: 0o600 });
  await writeFile(join(folder, 'recovery.signal'), '', { mode: 0o600 });
  return bytes;
}

async function writeSegments(
  place: string,
  { base, route, stop, recovery: { log } }: PlannedRecovery,
  from: bigint,
  job: Job,
): Promise<number> {
  const size = BigInt(base.segmentSize);
  // The segment in which the log ended may go on by now.
  const first = from - (from % size);
  let written = 0;
  for (let start = first; start < stop.needed; start += size) {
    const end = start + size < route.end ? start + size : route.end;
    const timeline = route.pieces.findLast((piece) => piece.start < end && piece.end > start)?.timeline ?? route.timeline;
    const name = segmentFileName(timeline, start, base.segmentSize);
    const file = await open(join(place, name), 'w', 0o600);
    try {
      const length = await writeAll(file, readRoute(route, log, start, end), job);
      if (length !== Number(end - start))
        throw new RahatError(
          'dump_invalid',
          `The log from ${lsnText(start)} to ${lsnText(end)} has ${length} bytes instead of ${end - start}`,
        );
      // As the server leaves the rest of a segment: recovery ends in zeros, if it comes so far.
      await file.truncate(base.segmentSize);
      await file.sync();
    } finally {
      await file.close();
    }
    written += Number(end - start);
    job.progress({ phase: 'writing log', object: name, bytes: written, totalBytes: Number(stop.needed - first) });
  }
  return written;
}

async function writeAll(file: FileHandle, body: AsyncIterable<Buffer>, job: Job): Promise<number> {
  let at = 0;
  for await (const piece of body) {
    job.signal.throwIfAborted();
    for (let done = 0; done < piece.length;) done += (await file.write(piece, done, piece.length - done, at + done)).bytesWritten;
    at += piece.length;
  }
  return at;
}

/** All targets but one are emptied first: the source's own configuration may hold some, and PostgreSQL refuses two. */
function recoveryOrders(route: RecoveryRoute, stop: RecoveryStop, action: 'promote' | 'pause'): string {
  const [name, value] = stop.setting;
  const settings: [string, string][] = [
    ...['', '_lsn', '_name', '_time', '_xid'].map((kind): [string, string] => [`recovery_target${kind}`, '']),
    ['archive_mode', 'off'],
    ['primary_conninfo', ''],
    ['primary_slot_name', ''],
    ['archive_cleanup_command', ''],
    // The server runs both with its data directory as working directory.
    ['restore_command', `cp ${RECOVERY_LOG_FOLDER}/%f %p`],
    ['recovery_end_command', `rm -rf ${RECOVERY_LOG_FOLDER}`],
    [name, value],
    ['recovery_target_inclusive', stop.inclusive ? 'on' : 'off'],
    ['recovery_target_timeline', String(route.timeline)],
    ['recovery_target_action', action],
  ];
  const lines = settings.map(([key, text]) => `${key} = '${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'\n`);
  return `\n# Added by Rahat Backup's restore: replay the log up to ${stop.description.replaceAll(/[\r\n]/g, ' ')}.\n${lines.join('')}`;
}

/** What the user of the restored folder has to know. */
export function recoveryFinding({ stop, route, recovery }: PlannedRecovery): Finding {
  const then =
    recovery.action === 'pause'
      ? 'waits there to be looked at; SELECT pg_wal_replay_resume(); opens it for writing'
      : 'takes writes from there on, on a timeline of its own';
  return {
    code: 'recovery_prepared',
    severity: 'info',
    message: `When a server is started on the folder, it replays the log of timeline ${route.timeline} up to ${stop.description}, and ${then}.`,
  };
}
