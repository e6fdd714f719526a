import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { USUAL_SIZE_MB, type BenchOptions } from '../bench-options.js';
import { findBorg, findRestic, rahat, type ContestantFactory } from '../repository/contestants.js';
import { limitShares, type Taken } from '../repository/limit-shares.js';
import { backupLimitSeconds, measureLimits, restoreLimitSeconds, type MachineLimits } from '../repository/machine-limits.js';
import { playRound, type Round, type SourceFiles, type Step } from '../repository/rounds.js';
import { writeDump, writePageFolder } from '../repository/sample-data.js';
import { median, ratioOf, type BenchResult } from '../result-table.js';
import { quickRepositorySuite } from './quick-repository-suite.js';

const SEED = 20_261_124;
const SAMPLE_BYTES = 48 * 1024 * 1024;
const LEAST_SHARE = { backup: 0.85, restore: 0.8 };

type PeerName = 'restic' | 'borg';
interface Target {
  case: string;
  peer: PeerName;
  limit: number;
  value(round: Round): number;
  unit: 's' | 'MB';
}

const seconds = (step: Step) => (round: Round) => round.usage[step].seconds;
const TARGETS: Target[] = [
  { case: 'first backup, dump', peer: 'restic', limit: 0.5, value: seconds('first'), unit: 's' },
  { case: 'first backup, dump', peer: 'borg', limit: 0.48, value: seconds('first'), unit: 's' },
  { case: 'second backup, dump, 2 % recent rows', peer: 'restic', limit: 0.3, value: seconds('second'), unit: 's' },
  { case: 'second backup, dump, 2 % recent rows', peer: 'borg', limit: 0.3, value: seconds('second'), unit: 's' },
  { case: 'restore, dump', peer: 'restic', limit: 0.9, value: seconds('restore'), unit: 's' },
  { case: 'restore, dump', peer: 'borg', limit: 0.45, value: seconds('restore'), unit: 's' },
  { case: 'restore, folder of pages', peer: 'restic', limit: 0.9, value: seconds('folder-restore'), unit: 's' },
  { case: 'restore, folder of pages', peer: 'borg', limit: 0.45, value: seconds('folder-restore'), unit: 's' },
  { case: 'stored after the first, dump', peer: 'restic', limit: 1.02, value: ({ stored }) => stored.first / 1e6, unit: 'MB' },
  { case: 'growth by the second, dump', peer: 'restic', limit: 0.35, value: ({ stored }) => stored.growth / 1e6, unit: 'MB' },
  {
    case: 'growth by the second, folder of pages',
    peer: 'restic',
    limit: 0.25,
    value: ({ stored }) => stored.folderGrowth / 1e6,
    unit: 'MB',
  },
  { case: 'second backup, folder of pages', peer: 'restic', limit: 0.3, value: seconds('folder-second'), unit: 's' },
];

/** The engine beside restic and borg, each in processes of its own, in turn (A B C A B C), key derivation included. */
export async function repositorySuite(options: BenchOptions): Promise<BenchResult[]> {
  return options.quick ? quickRepositorySuite(options) : besidePeers(options);
}

async function besidePeers({ runs, sizeMb = USUAL_SIZE_MB, log }: BenchOptions): Promise<BenchResult[]> {
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'rahat-bench-'));
  const sizeBytes = sizeMb * 1e6;
  try {
    log(`making two versions of a ${sizeBytes / 1e6} MB dump and of a folder of pages …`);
    const { files, dumpBytes } = await makeData(scratch, sizeBytes);
    const contestants = participants(scratch, log);
    const rounds = new Map<string, Round[]>();
    for (let run = 0; run <= runs; run++) {
      for (const [name, factory] of contestants) {
        const round = await playRound(factory, files, scratch);
        log(`${run === 0 ? 'warm-up' : `run ${run}`}: ${name} ${describe(round)}`);
        // The first one warms caches and is not counted.
        if (run > 0) rounds.set(name, [...(rounds.get(name) ?? []), round]);
      }
    }
    const limits = measureLimits(files.dumps.first, path.join(scratch, 'limit'), Math.floor(Math.min(SAMPLE_BYTES, sizeBytes / 3)));
    const ours = rounds.get('rahat')!;
    return [...comparisons(ours, rounds), ...shares(ours, limits, dumpBytes), ...memory(ours), ...limitRows(limits)];
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function makeData(scratch: string, sizeBytes: number): Promise<{ files: SourceFiles; dumpBytes: number }> {
  const dumps = { first: path.join(scratch, 'first.sql'), second: path.join(scratch, 'second.sql') };
  const folders = { first: path.join(scratch, 'pages-1'), second: path.join(scratch, 'pages-2') };
  await Promise.all(Object.values(folders).map((folder) => mkdir(folder)));
  const dumpBytes = await writeDump(dumps.first, sizeBytes, SEED, 1);
  await writeDump(dumps.second, sizeBytes, SEED, 2);
  await writePageFolder(folders.first, sizeBytes, SEED + 7, 1);
  await writePageFolder(folders.second, sizeBytes, SEED + 7, 2);
  return { files: { dumps, folders }, dumpBytes };
}

function participants(scratch: string, log: (line: string) => void): [string, ContestantFactory][] {
  const all: [string, ContestantFactory | undefined][] = [
    ['rahat', rahat],
    ['restic', findRestic()],
    ['borg', findBorg()],
  ];
  for (const [name, factory] of all) {
    if (!factory) log(`${name}: not present, its comparisons are not measured`);
    else log(`${name} ${factory(scratch).version}: ${factory(scratch).settings}`);
  }
  return all.filter((entry): entry is [string, ContestantFactory] => entry[1] !== undefined);
}

function comparisons(ours: Round[], rounds: Map<string, Round[]>): BenchResult[] {
  return TARGETS.map(({ case: name, peer, limit, value, unit }) => {
    const theirs = rounds.get(peer);
    const result = { case: name, ours: median(ours.map(value)), unit, target: `≤ ${limit} × ${peer}` };
    if (!theirs) return { ...result, met: 'not measured' as const };
    const ratio = ratioOf(ours.map(value), theirs.map(value));
    return { ...result, theirs: median(theirs.map(value)), peer, ratio, met: ratio.median <= limit };
  });
}

function shares(ours: Round[], limits: MachineLimits, bytes: number): BenchResult[] {
  const taken = (step: Step): Taken => ({
    seconds: ours.map(({ usage }) => usage[step].seconds),
    cpuSeconds: ours.map(({ usage }) => usage[step].cpuSeconds),
  });
  return [
    ...limitShares('first backup', taken('first'), backupLimitSeconds(limits, bytes), LEAST_SHARE.backup),
    ...limitShares('restore', taken('restore'), restoreLimitSeconds(limits, bytes), LEAST_SHARE.restore),
  ];
}

const MEMORY_TARGET_MB = { backup: 235, restore: 268 };

function memory(ours: Round[]): BenchResult[] {
  const backup = Math.max(...ours.flatMap(({ usage }) => [usage.first.peakMb, usage.second.peakMb, usage['folder-second'].peakMb]));
  const restore = Math.max(...ours.flatMap(({ usage }) => [usage.restore.peakMb, usage['folder-restore'].peakMb]));
  return [
    {
      case: 'peak memory, backup',
      ours: backup,
      unit: 'MB',
      target: `≤ ${MEMORY_TARGET_MB.backup} MB (224 MiB)`,
      met: backup <= MEMORY_TARGET_MB.backup,
    },
    {
      case: 'peak memory, restore',
      ours: restore,
      unit: 'MB',
      target: `≤ ${MEMORY_TARGET_MB.restore} MB (256 MiB)`,
      met: restore <= MEMORY_TARGET_MB.restore,
    },
  ];
}

function limitRows({ compression, ...rates }: MachineLimits): BenchResult[] {
  return Object.entries(rates).map(([stage, rate]) => ({
    case: `machine, one core: ${stage}`,
    ours: rate / 1e6,
    unit: 'MB/s',
    target: '–',
    met: true,
    ...(stage === 'zstd3' ? { note: `compresses ${compression.toFixed(2)} times` } : {}),
  }));
}

function describe({ usage, stored }: Round): string {
  const steps = Object.entries(usage).map(
    ([step, { seconds, cpuSeconds, peakMb }]) =>
      `${step} ${seconds.toFixed(2)} s (cpu ${cpuSeconds.toFixed(1)} s, ${peakMb.toFixed(0)} MB)`,
  );
  const sizes = Object.values(stored).map((bytes) => (bytes / 1e6).toFixed(0));
  return `${steps.join(', ')}; stored ${sizes[0]} + ${sizes[1]} MB, folder ${sizes[2]} + ${sizes[3]} MB`;
}
