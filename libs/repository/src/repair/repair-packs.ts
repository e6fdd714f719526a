import { surveyFrames } from '../check/frame-survey.js';
import { examineRepository } from '../check/check.js';
import { usableDirectory } from '../check/pack-check.js';
import type { RepositoryContext } from '../context.js';
import { openFrame } from '../frames/frame-codec.js';
import type { IndexedPack } from '../index/index-segment.js';
import { loadIndexForWriting } from '../index/load-index.js';
import { packsOfSegment } from '../index/segment-files.js';
import { damagedPackName, INDEX_PREFIX, packName } from '../layout.js';
import type { Lease } from '../leases/lease.js';
import { PACK_HEADER_BYTES } from '../packs/pack-layout.js';
import { openPackKey, readPackFile } from '../packs/pack-reader.js';
import { chunkIdAt } from '../packs/pack-table.js';
import { ChunkIntake } from '../writing/chunk-intake.js';
import { rewriteIndex } from './index-rewrite.js';
import { removeUnlessLocked } from '../object-lock/refused-removals.js';
import { REPAIR_WRITER, takeLease } from './repair-index.js';
import type { PackRepair, PackRepairOptions } from './repair-reports.js';

/**
 * Sets damaged packs aside (repository.md §11): what can still be read of them is stored anew first, their files go to
 * `damaged/`, and the index forgets them, so that the next backup uploads what it still finds. No manifest is touched; broken
 * off at any moment, every chunk that could be read before can be read afterwards.
 */
export async function repairPacks(context: RepositoryContext, options: PackRepairOptions = {}): Promise<PackRepair> {
  const { signal, onProgress, level = 'deep', dryRun = false } = options;
  await using lease = await takeLease(context, options);
  const { report, damagedPacks } = await examineRepository(context, {
    level,
    signal,
    onProgress: ({ checkedBytes, totalBytes }) => onProgress?.({ done: checkedBytes, total: totalBytes }),
  });
  const repair: PackRepair = {
    dryRun,
    packs: [...damagedPacks].map(([hash, { state, message }]) => {
      const affects = report.problems.find(({ file, severity }) => file === packName(hash) && severity === 'damage')?.affects ?? [];
      return { pack: hash, state, message, affects };
    }),
    savedChunks: 0,
    savedBytes: 0,
  };
  if (!lease.held || damagedPacks.size === 0) return repair;

  using index = await loadIndexForWriting(context);
  for (const hash of damagedPacks.keys()) {
    const number = index.packNumber(hash);
    // What has another home needs no saving.
    if (number !== undefined) index.barPack(number);
  }
  await using intake = new ChunkIntake(context, index, lease.held, { writer: REPAIR_WRITER, signal });
  const present = repair.packs.filter(({ state }) => state === 'damaged').map(({ pack }) => pack);
  for (const hash of present) await saveReadableChunks(context, hash, intake, signal);
  await intake.flush();
  for (const hash of present) await setAside(context, hash, lease.held);
  await forgetPacks(context, new Set(damagedPacks.keys()), lease.held);
  return { ...repair, savedChunks: intake.chunks, savedBytes: intake.plainBytes };
}

async function saveReadableChunks(context: RepositoryContext, hash: string, intake: ChunkIntake, signal?: AbortSignal): Promise<void> {
  const file = await readPackFile(context, hash, signal);
  const directory = file && (await usableDirectory(context, hash, file));
  if (!directory) return;
  const { kind, table } = directory;
  const { damaged } = await surveyFrames(context, hash, directory, file);
  if (damaged === 'all') return;
  const key = await openPackKey(context, hash, file.subarray(0, PACK_HEADER_BYTES));
  let opened: { frame: number; plaintext: Buffer } | undefined;
  for (let chunk = 0; chunk < table.chunkFrames.length; chunk++) {
    const id = Buffer.from(chunkIdAt(table, chunk));
    const frame = table.chunkFrames[chunk]!;
    if (damaged.has(frame) || intake.has(id)) continue;
    if (opened?.frame !== frame) {
      const start = table.frameOffsets[frame]!;
      const identity = { repositoryId: context.repositoryId, pack: hash, frameNumber: frame, plainLength: table.plainLengths[frame]! };
      opened = { frame, plaintext: await openFrame(key, file.subarray(start, start + table.storedLengths[frame]!), identity) };
    }
    const offset = table.chunkOffsets[chunk]!;
    // A pack doesn't tell the class of its data; frames of saved chunks are of class `rows`, which readers don't distinguish.
    await intake.take(kind === 'data' ? 'rows' : 'recipe', id, opened.plaintext.subarray(offset, offset + table.chunkLengths[chunk]!));
  }
}

/** The bytes stay at hand for whoever can do more with them than we. false where a lock of the storage keeps the pack as it is. */
export async function setAside(context: RepositoryContext, hash: string, lease: Lease): Promise<boolean> {
  const file = await readPackFile(context, hash);
  if (!file) return true;
  lease.assertHeld();
  await context.store.put(damagedPackName(hash), file);
  return removeUnlessLocked(context.store, packName(hash));
}

async function forgetPacks(context: RepositoryContext, forgotten: ReadonlySet<string>, lease: Lease): Promise<void> {
  const replaced: string[] = [];
  for await (const { name } of context.store.list(INDEX_PREFIX)) {
    if ((await packsOfSegment(context, name)).some(({ hash }) => forgotten.has(hash))) replaced.push(name);
  }
  async function* remaining(): AsyncGenerator<IndexedPack> {
    const given = new Set(forgotten);
    for (const name of replaced) {
      for (const pack of await packsOfSegment(context, name)) {
        if (!given.has(pack.hash)) yield pack;
        given.add(pack.hash);
      }
    }
  }
  await rewriteIndex(context, lease, { writer: REPAIR_WRITER, replaced, packs: remaining() });
}
