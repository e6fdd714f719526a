import { RahatError } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { affectedLines } from '../terminal/affected.js';
import { bytes, visible } from '../terminal/format.js';
import { untilInterrupted } from '../terminal/interrupt.js';
import type { Terminal } from '../terminal/terminal.js';
import { openOffline, type Opening } from './open-offline.js';

export interface DistrustCommandOptions extends Opening {
  everyone: boolean;
  dryRun: boolean;
}

export async function distrustWriter(terminal: Terminal, writer: string | undefined, options: DistrustCommandOptions): Promise<void> {
  if ((writer === undefined) !== options.everyone)
    throw new RahatError('invalid_input', 'Who is not trusted any more?', {
      hint: 'Name a writer, as `repository show` and the workers’ settings do, or give --everyone where it may have used other names.',
    });
  const { engine } = await openOffline(options);
  const { dryRun } = options;
  const report = await engine.distrust(writer === undefined ? 'everyone' : { writer }, {
    dryRun,
    signal: untilInterrupted('Cancelled; nothing is worse than before. Run it again to go on.'),
    onProgress: ({ phase, done, total }) => terminal.progress(`read ${done} of ${total} ${phase}`),
  });
  const { lyingPacks, affected, snapshots } = report;
  const falseSnapshots = snapshots.filter(({ consistent }) => !consistent);
  const red = (text: string): string => terminal.paint('red', text);
  const lines = [
    ...lyingPacks.map(
      ({ pack, message, falseChunks, trueChunks }) =>
        `${red('lying')} pack ${pack}: ${message} ${falseChunks} chunks are false, ${trueChunks} true.`,
    ),
    ...falseSnapshots.map(({ snapshot, message }) => `${red('false')} snapshot ${snapshot}: ${message}`),
    ...(affected.length > 0
      ? ['Not restorable until the next backup of the same data, or `repository heal`:', ...affectedLines(affected)]
      : []),
    ...report.lockedPacks.map((pack) => `The storage holds pack ${pack} by a lock. Distrust again when it ends.`),
    ...report.openSessions.map((session) => `In progress: ${visible(session)}. Check the repository when it has ended.`),
    ...(writer !== undefined && !report.writers.includes(writer)
      ? [`Nobody wrote here as "${visible(writer)}". Known: ${report.writers.map(visible).join(', ')}.`]
      : []),
    `${dryRun ? 'Would drop' : 'Dropped'} ${report.droppedSegments.length} segments; read ${report.triedPacks} packs (${bytes(report.triedBytes)}), ${lyingPacks.length} of them lie${dryRun ? '' : ` and were set aside, ${report.savedChunks} true chunks kept`}; ${snapshots.length} snapshots of the writer, ${falseSnapshots.length} of them false.`,
    ...(snapshots.length > falseSnapshots.length
      ? ['A consistent snapshot may still tell of data that was never in the source: compare it with another before you rely on it.']
      : []),
  ];
  terminal.result(report, lines.join('\n'));
  if (lyingPacks.length + affected.length + falseSnapshots.length > 0) process.exitCode = EXIT.partial;
}
