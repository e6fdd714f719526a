import { parseKeyslot } from '../format/keyslot.js';
import type { StoredObject } from '../format/manifest.js';
import { openSealed, SEALED, type SealedType } from '../format/sealed-file.js';
import { ObjectReader } from '../object-reader.js';
import { bytesText, tell, writeJson, writeOut } from '../output.js';
import { PackCheck } from '../pack-check.js';
import { messageOf, type Problem, problemOf } from '../reader-error.js';
import type { Repository } from '../repository.js';

const RANDOM_NAME = /^[0-9a-f]{32}$/;
const ANY_NAME = /^[a-z0-9._-]+$/;

/**
 * Structure: every file but the packs opens, every recipe resolves, every chunk has a home in a pack that exists with its size. With `data`
 * also every byte of the packs. A damaged pack is a loss only for objects whose chunks have no other home. True where all is as it should be.
 */
export async function checkRepository(repository: Repository, { data, json }: { data: boolean; json: boolean }): Promise<boolean> {
  const problems = await smallFiles(repository);
  const reader = await ObjectReader.open(repository);
  const packs = new PackCheck(repository, reader.index);
  await packs.compareFiles();
  if (data) await packs.readAll();
  const losses: { snapshot: string; object: string; message: string }[] = [];
  const files = await repository.manifestFiles();
  for (const file of files) {
    try {
      for (const object of (await repository.manifest(file)).objects)
        await resolve(object, reader, packs).catch((error: unknown) => {
          losses.push({ snapshot: file.id, object: object.key, message: messageOf(error) });
        });
    } catch (error) {
      problems.push(problemOf(file.name, error));
    }
  }
  problems.push(...reader.index.problems, ...packs.problems);
  const healthy = problems.length === 0 && losses.length === 0;
  const logs = files.filter(({ id }) => id.includes('/')).length;
  const chunks = reader.index.table.size;
  const counts = { snapshots: files.length - logs, logs, packs: packs.files.size, chunks, readBytes: packs.readBytes };
  if (json) await writeJson({ healthy, level: data ? 'data' : 'structure', ...counts, problems, losses });
  else {
    for (const { message } of problems) tell(`damage  ${message}`);
    for (const { snapshot, object, message } of losses) tell(`LOST  ${snapshot}  ${object}: ${message}`);
    const extent = data ? `every byte read (${bytesText(packs.readBytes)})` : 'structure only; --data reads every byte';
    const verdict = healthy ? 'Healthy' : 'DAMAGED';
    await writeOut(`${verdict}: ${counts.snapshots} snapshots, ${logs} logs, ${counts.packs} packs, ${counts.chunks} chunks; ${extent}\n`);
  }
  return healthy;
}

async function smallFiles(repository: Repository): Promise<Problem[]> {
  const problems: Problem[] = [];
  const look = async (prefix: string, pattern: RegExp, check: (name: string, bytes: Buffer) => void) => {
    for (const { name } of await repository.folder.list(prefix, pattern)) {
      try {
        check(name, await repository.folder.read(name));
      } catch (error) {
        problems.push(problemOf(name, error));
      }
    }
  };
  const sealed = (type: SealedType) => (name: string, bytes: Buffer) => void openSealed(bytes, type, name, repository.packKeys.metadata);
  await look('keys/', RANDOM_NAME, (name, bytes) => void parseKeyslot(name.slice('keys/'.length), bytes));
  await look('leases/', RANDOM_NAME, sealed(SEALED.lease));
  await look('collections/', ANY_NAME, sealed(SEALED.collection));
  return problems;
}

/** Data is not read, stored recipes are. */
async function resolve(object: StoredObject, reader: ObjectReader, packs: PackCheck): Promise<void> {
  let sizeBytes = 0;
  for await (const reference of reader.chunks(object)) {
    sizeBytes += reference.length;
    if (packs.holds(reference)) continue;
    await reader.index.readFooters();
    if (!packs.holds(reference)) throw new Error(`chunk ${reference.id.toString('hex')} is in no whole pack`);
  }
  if (sizeBytes !== object.sizeBytes) throw new Error(`its chunks have ${sizeBytes} bytes instead of ${object.sizeBytes}`);
}
