import { parseKeyslot } from '../format/keyslot.js';
import { openSealed, SEALED, type SealedType } from '../format/sealed-file.js';
import type { Problem } from '../index-of-chunks.js';
import { ObjectReader } from '../object-reader.js';
import { bytesText, tell, writeJson, writeOut, visible } from '../output.js';
import { messageOf } from '../reader-error.js';
import type { Repository } from '../repository.js';
import { PackCheck } from '../pack-check.js';
import { checkSnapshot, type Loss } from '../snapshot-check.js';

const RANDOM_NAME = /^[0-9a-f]{32}$/;
const ANY_NAME = /^[a-z0-9._-]+$/;

interface Report {
  healthy: boolean;
  level: 'structure' | 'data';
  snapshots: number;
  packs: number;
  chunks: number;
  readBytes: number;
  /** Files that are missing or not what they should be. */
  problems: Problem[];
  /** Objects that can't be restored any more. */
  losses: Loss[];
}

/**
 * Structure: every file but the packs opens, every recipe resolves, every chunk has a home in a pack that exists with its size. With `data`
 * also every byte of the packs. A damaged pack is a loss only for objects whose chunks have no other home. True where all is as it should be.
 */
export async function checkRepository(repository: Repository, { data, json }: { data: boolean; json: boolean }): Promise<boolean> {
  const problems = await smallFiles(repository);
  const reader = await ObjectReader.open(repository);
  const packs = new PackCheck(repository, reader.index);
  await packs.compareFiles();
  if (data)
    await packs.readAll((done, total) => process.stderr.isTTY && process.stderr.write(`\rread ${bytesText(done)} of ${bytesText(total)} `));
  if (data && process.stderr.isTTY) process.stderr.write('\n');
  const losses: Loss[] = [];
  const files = await repository.snapshotFiles();
  for (const file of files) {
    try {
      losses.push(...(await checkSnapshot(await repository.manifest(file), reader, packs)));
    } catch (error) {
      problems.push({ file: file.name, message: messageOf(error) });
    }
  }
  problems.push(...reader.index.problems, ...packs.problems);
  await show(
    {
      healthy: problems.length === 0 && losses.length === 0,
      level: data ? 'data' : 'structure',
      snapshots: files.length,
      packs: packs.fileCount,
      chunks: reader.index.chunkCount,
      readBytes: packs.readBytes,
      problems,
      losses,
    },
    json,
  );
  return problems.length === 0 && losses.length === 0;
}

async function smallFiles(repository: Repository): Promise<Problem[]> {
  const { folder } = repository;
  const problems: Problem[] = [];
  const look = async (name: string, check: (bytes: Buffer) => void) => {
    try {
      check(await folder.read(name));
    } catch (error) {
      problems.push({ file: name, message: messageOf(error) });
    }
  };
  for (const { name } of await folder.list('keys/', RANDOM_NAME))
    await look(name, (bytes) => void parseKeyslot(name.slice('keys/'.length), bytes));
  const sealed = async (prefix: string, pattern: RegExp, type: SealedType) => {
    for (const { name } of await folder.list(prefix, pattern))
      await look(name, (bytes) => void JSON.parse(openSealed(bytes, type, name, repository.packKeys.metadata).toString('utf8')));
  };
  await sealed('leases/', RANDOM_NAME, SEALED.lease);
  await sealed('collections/', ANY_NAME, SEALED.collection);
  return problems;
}

async function show(report: Report, json: boolean): Promise<void> {
  if (json) {
    await writeJson(report);
    return;
  }
  for (const { file, message } of report.problems) tell(`damage  ${message.startsWith(file) ? message : `${file}: ${message}`}`);
  for (const { snapshot, object, message } of report.losses) tell(`LOST  ${snapshot}  ${object}: ${message}`);
  const verdict = report.healthy ? 'Healthy' : 'DAMAGED';
  const extent = report.level === 'data' ? `every byte read (${bytesText(report.readBytes)})` : 'structure only; --data reads every byte';
  await writeOut(visible(`${verdict}: ${report.snapshots} snapshots, ${report.packs} packs, ${report.chunks} chunks; ${extent}`) + '\n');
}
