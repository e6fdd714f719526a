import { createHash } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { readIndexSegments } from '../index/segment-files.js';
import { packName } from '../layout.js';
import { openPackDirectory, readPackDirectory, type PackDirectory } from '../packs/pack-reader.js';
import type { CheckOptions } from '../repository.js';
import { surveyFrames, type FrameSurvey } from './frame-survey.js';
import { packStatement, type PackStatements } from './indexed-packs.js';

export interface PackDamage {
  /** `missing` where the storage has no such file. */
  state: 'damaged' | 'missing';
  message: string;
  frames: FrameSurvey['damaged'];
}

export interface PackVerdict {
  damage?: PackDamage;
  /** Segments that say something else of the pack than its own authentic footer. */
  lyingSegments: string[];
}

export interface CheckedPack {
  hash: string;
  /** undefined where the storage has no such file. */
  storedBytes: number | undefined;
  /** Size by the index. */
  sizeBytes: number;
  statements: PackStatements;
}

/** What is wrong with one pack of the index. Each level does all that the ones before it do. */
export async function checkPack(
  context: RepositoryContext,
  pack: CheckedPack,
  { level, signal }: Pick<CheckOptions, 'level' | 'signal'>,
): Promise<PackVerdict> {
  const { hash, storedBytes, sizeBytes } = pack;
  if (storedBytes === undefined) return { damage: { state: 'missing', message: 'The pack is missing.', frames: 'all' }, lyingSegments: [] };
  if (storedBytes !== sizeBytes) return damaged(`The pack has ${storedBytes} bytes where the index says ${sizeBytes}.`);
  try {
    if (level === 'structure') {
      return compareWithIndex(pack, await readPackDirectory(context, hash, storedBytes, signal));
    }
    return await checkWholePack(context, pack, level, await context.store.get(packName(hash), undefined, { signal }));
  } catch (error) {
    const { code, message } = RahatError.from(error);
    if (!code.startsWith('repository_') && code !== 'blob_not_found') throw error;
    return damaged(message);
  }
}

async function checkWholePack(
  context: RepositoryContext,
  pack: CheckedPack,
  level: 'read-data' | 'deep',
  file: Buffer,
): Promise<PackVerdict> {
  const { hash } = pack;
  if (createHash('sha256').update(file).digest('hex') !== hash) {
    const frames = await damagedFrames(context, hash, file);
    const message = 'The content of the pack does not match its name (SHA-256).';
    return { damage: { state: 'damaged', message, frames }, lyingSegments: [] };
  }
  const directory = openPackDirectory(context, hash, file);
  const verdict = compareWithIndex(pack, directory);
  if (level === 'read-data') return verdict;
  const { damaged, message } = await surveyFrames(context, hash, directory, file);
  return message === undefined ? verdict : { ...verdict, damage: { state: 'damaged', message, frames: damaged } };
}

/** By the pack's own table, or by the index where the footer is what was damaged. Without the master key data can't be looked at: all. */
async function damagedFrames(context: RepositoryContext, hash: string, file: Buffer): Promise<FrameSurvey['damaged']> {
  const directory = await usableDirectory(context, hash, file);
  const openable = directory?.kind === 'metadata' || context.keys.packPrivate !== undefined;
  return directory && openable ? (await surveyFrames(context, hash, directory, file)).damaged : 'all';
}

/** What tells where the frames of a damaged pack lie: its footer if that opens, else the index, else nothing. */
export async function usableDirectory(context: RepositoryContext, hash: string, file: Buffer): Promise<PackDirectory | undefined> {
  try {
    return openPackDirectory(context, hash, file);
  } catch (error) {
    if (!(error instanceof RahatError) || error.code !== 'repository_damaged') throw error;
  }
  for await (const { packs } of readIndexSegments(context)) {
    const indexed = packs.find((pack) => pack.hash === hash);
    if (indexed) return indexed;
  }
  return undefined;
}

function compareWithIndex({ storedBytes, statements }: CheckedPack, directory: PackDirectory): PackVerdict {
  const truth = packStatement({ sizeBytes: storedBytes!, ...directory });
  return { lyingSegments: [...statements].filter(([statement]) => statement !== truth).map(([, segment]) => segment) };
}

function damaged(message: string): PackVerdict {
  return { damage: { state: 'damaged', message, frames: 'all' }, lyingSegments: [] };
}
