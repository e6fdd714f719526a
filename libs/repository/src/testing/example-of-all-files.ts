import { sealFile } from '../sealed-files/sealed-file.js';
import { COLLECTIONS_PREFIX, packHash, trashName } from '../layout.js';
import { Lease } from '../leases/lease.js';
import { PACK_TRAILER_BYTES } from '../packs/pack-layout.js';
import { openPackDirectory } from '../packs/pack-reader.js';
import type { PackTable } from '../packs/pack-table.js';
import type { Repository } from '../repository.js';
import { backUp, describing, newRepository, noise, pieces, snapshotFacts } from './builders.js';
import { contextOf, storedFiles, type StoredFiles } from './damage.js';
import { follow } from './log-builders.js';
import { MemoryStore } from './memory-store.js';

/** A repository that has a file of every class, as bytes. */
export interface Example {
  files: StoredFiles;
  secrets: { masterKey: Buffer; identitySecret: Buffer };
  names: Record<FileClass, string>;
  /** Second files of the classes that can have several, for swapping. */
  others: Partial<Record<FileClass, string>>;
  tables: Record<'data pack' | 'recipe pack', PackTable>;
  /** Files that stood here before a collection took them and the packs that they name. */
  past: Record<'manifest' | 'index segment' | 'pack', { name: string; bytes: Buffer }>;
}
export const PACKS = ['data pack', 'recipe pack'] as const;
export type FileClass =
  | 'descriptor'
  | 'configuration'
  | 'keyslot'
  | 'data pack'
  | 'recipe pack'
  | 'index segment'
  | 'manifest'
  | 'log'
  | 'trash'
  | 'lease'
  | 'collection';

export async function example(): Promise<Example> {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const pages = Buffer.concat(Array.from({ length: 70 }, (_, page) => Buffer.alloc(32 * 1024, `page ${page} `)));
  const newest = (prefix: string, known: string[]): string => store.names(prefix).find((name) => !known.includes(name))!;
  const past = await pastFiles(store, repository);
  await writePages(repository, pages);
  const [indexName] = store.names('index/');
  const context = contextOf(repository, store);
  const packs = store.names('packs/');
  const directories = packs.map((name) => openPackDirectory(context, packHash(name), store.files.get(name)!.bytes));
  const ofKind = (kind: string): number => directories.findIndex((directory) => directory.kind === kind);
  await backUp(repository, 'backup_2', { other: noise(300_000, 3) });
  await backUp(repository, 'backup_3', { more: noise(40_000, 5) });
  await repository.moveToTrash('backup_2');
  await follow(repository, [0, 1000, 2000]);
  await Lease.take(context, 'writer', 'worker-1');
  await Lease.take(context, 'reader', 'reader');
  for (const generation of ['1', '2']) {
    const name = `${COLLECTIONS_PREFIX}${generation}`;
    const payload = Buffer.from(JSON.stringify({ format: 1, condemned: [] }));
    await store.put(name, sealFile(context.keys.metadata, { repositoryId: context.repositoryId, type: 'collection', name }, payload));
  }
  const names: Example['names'] = {
    descriptor: 'rahat.json',
    configuration: 'config',
    keyslot: store.names('keys/')[0]!,
    'data pack': packs[ofKind('data')]!,
    'recipe pack': packs[ofKind('metadata')]!,
    'index segment': indexName!,
    manifest: 'snapshots/backup_1',
    log: store.names('logs/')[0]!,
    trash: trashName('backup_2'),
    lease: store.names('leases/')[0]!,
    collection: `${COLLECTIONS_PREFIX}1`,
  };
  const others: Example['others'] = {
    'data pack': newest('packs/', packs),
    'index segment': newest('index/', [names['index segment']]),
    manifest: 'snapshots/backup_3',
    log: store.names('logs/')[1]!,
    lease: store.names('leases/')[1],
    collection: `${COLLECTIONS_PREFIX}2`,
  };
  const tables = { 'data pack': directories[ofKind('data')]!.table, 'recipe pack': directories[ofKind('metadata')]!.table };
  return { files: await storedFiles(store), secrets: repository.exportSecrets(), names, others, tables, past };
}

/** A snapshot of long ago, as somebody may have kept its files. */
async function pastFiles(store: MemoryStore, repository: Repository): Promise<Example['past']> {
  await backUp(repository, 'backup_0', { gone: noise(30_000, 9) });
  const take = (prefix: string): { name: string; bytes: Buffer } => {
    const name = store.names(prefix)[0]!;
    const { bytes } = store.files.get(name)!;
    store.files.delete(name);
    return { name, bytes };
  };
  return { manifest: take('snapshots/'), 'index segment': take('index/'), pack: take('packs/') };
}

async function writePages(repository: Repository, pages: Buffer): Promise<void> {
  await using session = await repository.beginWriting({ writer: 'worker-1' });
  const objects = [await session.writeObject(describing('pages', { class: 'pages' }), pieces(pages))];
  await session.commit('backup_1', snapshotFacts(), objects);
}

export function endOfFrames({ frameOffsets, storedLengths }: PackTable): number {
  return frameOffsets.at(-1)! + storedLengths.at(-1)!;
}

export function footerStart(file: Buffer): number {
  return file.length - PACK_TRAILER_BYTES - file.readUInt32LE(file.length - PACK_TRAILER_BYTES);
}
