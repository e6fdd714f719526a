import type { OfflineRepository } from '@rahat/execution';
import { RahatError } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { chooseShare, keepCheckedShare } from '../session/check-parts.js';
import { affectedLines } from '../terminal/affected.js';
import { bytes, table, visible } from '../terminal/format.js';
import { untilInterrupted } from '../terminal/interrupt.js';
import type { Terminal } from '../terminal/terminal.js';
import { createOffline, openOffline, openOther, type KitOpening, type Opening } from './open-offline.js';

export async function initRepository(terminal: Terminal, options: { path: string; siblingOf?: string }): Promise<void> {
  const { id } = await createOffline(options.path, options.siblingOf);
  terminal.result(
    { id, path: options.path },
    `Repository ${id} is ready. Keep its passphrase where this storage is not: without it nothing can be restored.`,
  );
}

export async function repositoryStats(terminal: Terminal, options: Opening): Promise<void> {
  const { engine } = await openOffline(options);
  const stats = await engine.stats();
  const { snapshots, packs, storedBytes, logicalBytes, uniqueChunks } = stats;
  const ratio = storedBytes > 0 ? ` (${(logicalBytes / storedBytes).toFixed(1)} times less)` : '';
  terminal.result(
    { id: engine.id, ...stats },
    `${snapshots} snapshots of ${bytes(logicalBytes)} in ${packs} packs of ${bytes(storedBytes)}${ratio}; ${uniqueChunks} chunks.`,
  );
}

export async function showSnapshot(terminal: Terminal, options: KitOpening & { snapshot: string }): Promise<void> {
  const { engine } = await openOffline(options);
  const manifest = await engine.findSnapshot(options.snapshot);
  const { snapshot, server, database, method, consistentAt, tool, sizeBytes, writer } = manifest;
  // Chunk lists are of no use to people and as long as the data is large.
  const objects = manifest.objects.map(({ recipe: _recipe, ...object }) => object);
  const rows = objects.map(({ key, kind, sizeBytes, rows }) => [key, kind, bytes(sizeBytes), rows === undefined ? '' : String(rows)]);
  const head = `${snapshot}: ${visible(database?.name ?? '(whole server)')} of ${visible(server.name)} (${visible(server.version)}), ${method}, as of ${consistentAt}, ${bytes(sizeBytes)}, by ${visible(tool)}, written by ${visible(writer)}`;
  terminal.result({ ...manifest, objects }, `${head}\n\n${table(['OBJECT', 'KIND', 'SIZE', 'ROWS'], rows)}`);
}

const LEVELS = ['structure', 'read-data', 'deep'] as const;

export function parseLevel(text: string): (typeof LEVELS)[number] {
  const level = LEVELS.find((name) => name === text);
  if (level) return level;
  throw new RahatError('invalid_input', `There is no check level "${text}".`, { hint: 'Use structure, read-data or deep.' });
}

export async function checkRepository(terminal: Terminal, options: KitOpening & { level: string; share?: string }): Promise<void> {
  const level = parseLevel(options.level);
  const { engine } = await openOffline(options);
  const share = options.share === undefined ? undefined : await chooseShare(options.share, engine.id);
  const report = await engine.check({
    level,
    share,
    signal: untilInterrupted('Cancelled; a check changes nothing.'),
    onProgress: ({ checkedBytes, totalBytes }) => terminal.progress(`checked ${bytes(checkedBytes)} of ${bytes(totalBytes)}`),
  });
  if (share) await keepCheckedShare(engine.id, share);
  const { coverage } = report;
  const problems = report.problems.map(({ severity, file, message, affects }) =>
    [`${terminal.paint(severity === 'damage' ? 'red' : 'yellow', severity)} ${file}: ${message}`, ...affectedLines(affects)].join('\n'),
  );
  const verdict = report.healthy ? terminal.paint('green', 'Healthy') : terminal.paint('red', 'DAMAGED');
  const part = share ? ` (part ${share.part} of ${share.of})` : '';
  const covered = `read ${coverage.packs} of ${coverage.totalPacks} packs${part}, ${bytes(coverage.bytes)} of ${bytes(coverage.totalBytes)}`;
  terminal.result(
    report,
    [
      ...problems,
      `${verdict}: ${report.snapshots} snapshots, ${report.packs} packs, ${report.chunks} chunks; level ${level} ${covered}; ${report.orphanPacks} packs nobody refers to.`,
    ].join('\n'),
  );
  if (!report.healthy) process.exitCode = EXIT.failed;
}

export async function repairIndex(terminal: Terminal, options: Opening & { dryRun: boolean }): Promise<void> {
  const { engine } = await openOffline(options);
  const repair = await engine.repairIndex({
    dryRun: options.dryRun,
    signal: untilInterrupted('Cancelled; the index is no worse than before. Run it again.'),
    onProgress: ({ done, total }) => terminal.progress(`read the footers of ${done} of ${total} packs`),
  });
  const would = options.dryRun ? 'would replace' : 'replaced';
  const lines = [
    ...repair.replacedSegments.map(({ file, why }) => `${file}: ${why}`),
    ...repair.missingPacks.map((pack) => `${terminal.paint('red', 'missing')} pack ${pack}`),
    ...repair.unreadablePacks.map(({ pack, message }) => `${terminal.paint('red', 'damaged')} pack ${pack}: ${message}`),
    `${repair.packs} packs; ${would} ${repair.replacedSegments.length} segments, ${repair.addedPacks.length} packs were not named or wrongly.`,
  ];
  terminal.result(repair, lines.join('\n'));
  if (repair.missingPacks.length + repair.unreadablePacks.length > 0) process.exitCode = EXIT.partial;
}

export async function repairPacks(terminal: Terminal, options: Opening & { level: string; dryRun: boolean }): Promise<void> {
  const level = parseLevel(options.level);
  const { engine } = await openOffline(options);
  const repair = await engine.repairPacks({
    level,
    dryRun: options.dryRun,
    signal: untilInterrupted('Cancelled; nothing is worse than before. Run it again.'),
    onProgress: ({ done, total }) => terminal.progress(`checked ${bytes(done)} of ${bytes(total)}`),
  });
  const lines = repair.packs.flatMap(({ pack, message, affects }) => [`pack ${pack}: ${message}`, ...affectedLines(affects)]);
  const done = options.dryRun
    ? 'would be set aside'
    : `set aside, ${repair.savedChunks} chunks (${bytes(repair.savedBytes)}) saved of them`;
  terminal.result(repair, [...lines, `${repair.packs.length} packs ${done}.`].join('\n'));
  if (repair.packs.some(({ affects }) => affects.length > 0)) process.exitCode = EXIT.partial;
}

export async function healRepository(
  terminal: Terminal,
  options: Opening & { from: string; level: string; dryRun: boolean },
): Promise<void> {
  const level = parseLevel(options.level);
  const [{ engine }, sibling] = await openBoth(options, options.from);
  const report = await engine.healFrom(sibling.engine, {
    level,
    dryRun: options.dryRun,
    signal: untilInterrupted('Cancelled; what was brought stays. Run it again.'),
    onProgress: ({ done, total }) => terminal.progress(`went through ${done} of ${total} snapshots`),
  });
  const healed = options.dryRun ? '' : `, ${report.healedChunks} of them (${bytes(report.healedBytes)}) brought`;
  const remaining = report.remaining.length > 0 ? ['Still damaged:', ...affectedLines(report.remaining)] : [];
  terminal.result(report, [...remaining, `${report.missingChunks} chunks were missing or damaged${healed}.`].join('\n'));
  if (report.remaining.length > 0) process.exitCode = EXIT.partial;
}

export interface CopyRepositoryOptions extends Opening {
  to: string;
  snapshots?: string[];
  rechunk: boolean;
  verify: string;
  dryRun: boolean;
}

export async function copyRepository(terminal: Terminal, options: CopyRepositoryOptions): Promise<void> {
  const verify = parseLevel(options.verify);
  const [{ engine }, target] = await openBoth(options, options.to);
  const report = await engine.copyTo(target.engine, {
    snapshots: options.snapshots,
    rechunk: options.rechunk,
    verify,
    dryRun: options.dryRun,
    signal: untilInterrupted('Cancelled; the snapshots that were copied stay. Run it again to go on.'),
    onProgress: ({ snapshot, done, total, copiedBytes }) =>
      terminal.progress(`${done} of ${total} snapshots, ${bytes(copiedBytes)} copied  ${snapshot}`),
  });
  const moved = report.copied.reduce((sum, copy) => sum + copy.bytes, 0);
  const verified =
    report.verification && (report.verification.healthy ? `, ${verify}: healthy` : `, ${verify}: ${terminal.paint('red', 'DAMAGED')}`);
  const lines = [
    ...report.failed.map(({ snapshot, message }) => `${terminal.paint('red', 'failed')} ${snapshot}: ${message}`),
    `${report.copied.length} snapshots ${options.dryRun ? 'would be ' : ''}copied, ${bytes(moved)} moved; ${report.present.length} were there, ${report.inTrash.length} lie in its trash, ${report.failed.length} failed${verified ?? ''}.`,
  ];
  terminal.result(report, lines.join('\n'));
  if (report.failed.length > 0 || report.verification?.healthy === false) process.exitCode = EXIT.partial;
}

async function openBoth(own: Opening, other: string): Promise<[OfflineRepository, OfflineRepository]> {
  // One after the other: each may ask for its passphrase.
  const repository = await openOffline(own);
  return [repository, await openOther(other)];
}
