import { RahatError } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { bytes } from '../terminal/format.js';
import { untilInterrupted } from '../terminal/interrupt.js';
import type { Terminal } from '../terminal/terminal.js';
import { openOffline, type Opening } from './open-offline.js';

export interface LockRepositoryOptions extends Opening {
  until?: string;
  snapshots?: string[];
  dryRun: boolean;
}

/** Locks by the storage's object lock; with `dryRun` only says what that would hold, and for how long. */
export async function lockRepository(terminal: Terminal, options: LockRepositoryOptions): Promise<void> {
  const until = options.until === undefined ? undefined : parseTime(options.until);
  const { engine } = await openOffline(options);
  const report = await engine.lock({
    until,
    snapshots: options.snapshots,
    dryRun: options.dryRun,
    signal: untilInterrupted('Cancelled; what is locked stays locked. Run it again to complete it.'),
    onProgress: ({ done, total }) => terminal.progress(`went through ${done} of ${total} snapshots`),
  });
  const { snapshots, held, extended } = report;
  const times = snapshots.length > 0 ? `, the longest until ${snapshots[0]!.until}, the shortest until ${snapshots.at(-1)!.until}` : '';
  const lines = [
    ...report.failed.map(({ snapshot, message }) => `${terminal.paint('red', 'incomplete')} ${snapshot}: ${message}`),
    `${snapshots.length} snapshots ${options.dryRun ? 'would be' : 'are'} locked${times}.`,
    `They need ${held.files} files, ${bytes(held.bytes)}, which can't be freed before; ${options.dryRun ? 'to be locked' : 'locked'} anew or longer: ${extended.files} files, ${bytes(extended.bytes)}.`,
  ];
  terminal.result(report, lines.join('\n'));
  if (report.failed.length > 0) process.exitCode = EXIT.partial;
}

function parseTime(text: string): Date {
  const time = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$/.test(text) ? new Date(text) : new Date(NaN);
  if (Number.isNaN(time.getTime()))
    throw new RahatError('invalid_input', `"${text}" is not a time.`, { hint: 'Write 2027-01-31, or 2027-01-31T12:00:00Z.' });
  return time;
}
