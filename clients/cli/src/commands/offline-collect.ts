import { bytes } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { openOffline, type Opening } from './open-offline.js';

/** Deletes and condemns what no snapshot needs; with `dryRun` only says what that would be. */
export async function collectRepository(terminal: Terminal, options: Opening & { dryRun: boolean }): Promise<void> {
  const repository = await openOffline(options);
  const report = await repository.engine.collect({ dryRun: options.dryRun });
  const amount = ({ packs, bytes: size }: { packs: number; bytes: number }): string => `${packs} packs, ${bytes(size)}`;
  const reasons = Object.entries(report.condemned).filter(([, { packs }]) => packs > 0);
  const lines = [
    `${report.snapshots} snapshots need ${report.liveChunks} of ${report.chunks} chunks.`,
    `${options.dryRun ? 'Would delete' : 'Deleted'}: ${amount(report.deleted)}.`,
    ...reasons.map(([reason, size]) => `${options.dryRun ? 'Would condemn' : 'Condemned'} as ${reason}: ${amount(size)}.`),
    ...(report.rescued.packs > 0 ? [`Needed again after all: ${amount(report.rescued)}.`] : []),
    ...(report.waiting.packs > 0 ? [`Condemned, not yet due: ${amount(report.waiting)}.`] : []),
    ...(report.locked.packs > 0 ? [`Locked by the storage until later: ${amount(report.locked)}.`] : []),
    ...(report.unopened.packs > 0 ? [`Hardly needed, but not opened by this key: ${amount(report.unopened)}.`] : []),
    ...report.waitingFor.map((session) => `Waiting for a session that began before: ${session}.`),
    ...(report.purgedSnapshots.length > 0 ? [`Left the trash: ${report.purgedSnapshots.join(', ')}.`] : []),
    ...(report.missingChunks > 0 ? [`${report.missingChunks} chunks are missing: run a check of the repository.`] : []),
    ...report.unreadable.map(({ file, message }) => `${file}: ${message}`),
  ];
  terminal.result(report, lines.join('\n'));
}
