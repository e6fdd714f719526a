import type { PostgresqlMajor } from '@rahat/test-servers';
import type { BenchCase } from '../bench-cases.js';
import type { BenchOptions } from '../bench-options.js';
import { median, ratioOf, type BenchResult } from '../result-table.js';
import { startSampleCluster } from './cluster.js';
import { findPgBasebackup, findPgbackrest, rahat, type PhysicalContestantFactory } from './contestants.js';
import { playPhysicalRound, type PhysicalRound, type PhysicalStep, type PhysicalTurn } from './rounds.js';

const SIZE_MB = 2000;
const QUICK_SIZE_MB = 150;

type Turns = Map<string, PhysicalTurn[]>;

interface Comparison {
  case: string;
  ours: string;
  peer: string;
  value(round: PhysicalRound): number;
  unit: 's' | 'MB';
  /** Nothing is promised, if absent. */
  limit?: number;
}

const seconds = (step: PhysicalStep) => (round: PhysicalRound) => round[step].seconds;
const grownMb = (step: PhysicalStep) => (round: PhysicalRound) => round[step].grownBytes / 1e6;
const STEPS: { step: PhysicalStep; name: string; value: typeof seconds; unit: 's' | 'MB' }[] = [
  { step: 'first', name: 'first physical backup', value: seconds, unit: 's' },
  { step: 'first', name: 'stored by the first', value: grownMb, unit: 'MB' },
  { step: 'recent', name: 'second physical backup, the newest 2 % of rows changed', value: seconds, unit: 's' },
  { step: 'recent', name: 'growth by the second, the newest 2 % of rows changed', value: grownMb, unit: 'MB' },
  { step: 'scattered', name: 'next physical backup, 2 % of rows changed anywhere', value: seconds, unit: 's' },
  { step: 'scattered', name: 'growth by the next, 2 % of rows changed anywhere', value: grownMb, unit: 'MB' },
  { step: 'restore', name: 'restore of the second to a folder', value: seconds, unit: 's' },
  { step: 'restore scattered', name: 'restore of the next to a folder', value: seconds, unit: 's' },
];

/** PostgreSQL 15 beside pgBackRest and pg_basebackup. */
export const physicalCase: BenchCase = (options) => {
  const promised = (peer: string): Comparison[] =>
    STEPS.map(({ step, name, value, unit }) => {
      const limit = peer === 'pgBackRest' && !name.startsWith('stored') ? 1 : undefined;
      return { case: name, ours: 'rahat', peer, value: value(step), unit, limit };
    });
  return besidePeers(15, options, {
    contestants: { rahat: rahat(), pgBackRest: findPgbackrest(15), pg_basebackup: findPgBasebackup(15) },
    comparisons: [...promised('pgBackRest'), ...promised('pg_basebackup')],
  });
};

/** PostgreSQL 18, whose server knows which blocks changed, beside pgBackRest and beside full backups. */
export const incrementalCase: BenchCase = (options) => {
  const ours = 'rahat, incremental';
  const compared = STEPS.filter(({ step }) => step !== 'first').flatMap(({ step, name, value, unit }): Comparison[] =>
    ['pgBackRest', 'rahat'].map((peer) => ({
      case: `PostgreSQL 18, incremental: ${name}`,
      ours,
      peer,
      value: value(step),
      unit,
      limit: peer === 'pgBackRest' ? 1 : undefined,
    })),
  );
  return besidePeers(18, options, {
    contestants: { [ours]: rahat('incremental'), rahat: rahat(), pgBackRest: findPgbackrest(18) },
    comparisons: compared,
    settings: { summarize_wal: 'on' },
  });
};

interface Match {
  /** A peer that is not there is undefined. */
  contestants: Record<string, PhysicalContestantFactory | undefined>;
  comparisons: Comparison[];
  settings?: Record<string, string>;
}

async function besidePeers(major: PostgresqlMajor, { runs, sizeMb, quick, log }: BenchOptions, match: Match): Promise<BenchResult[]> {
  const wantedMb = sizeMb ?? (quick ? QUICK_SIZE_MB : SIZE_MB);
  log(`filling a PostgreSQL ${major} with ${wantedMb} MB …`);
  await using cluster = await startSampleCluster(major, wantedMb, match.settings);
  const sizeBytes = await cluster.sizeBytes();
  log(`its databases take ${(sizeBytes / 1e6).toFixed(0)} MB`);
  const present = Object.entries(match.contestants).flatMap(([name, factory]): PhysicalContestantFactory[] => {
    if (!factory) log(`${name}: not present, its comparisons are not measured`);
    return factory ? [factory] : [];
  });
  const turns: Turns = new Map();
  for (let run = 0; run <= runs; run++) {
    log(run === 0 ? 'warm-up' : `run ${run}`);
    for (const turn of await playPhysicalRound(cluster, present, log)) {
      const { name, version, settings } = turn.contestant;
      // The first one warms caches and is not counted.
      if (run === 0) log(`${name} ${version}: ${settings}`);
      else turns.set(name, [...(turns.get(name) ?? []), turn]);
    }
  }
  const size = `${(sizeBytes / 1e6).toFixed(0)} MB`;
  return [...match.comparisons.map((comparison) => compared(comparison, turns, size)), ...memory(turns)];
}

function compared({ case: name, ours, peer, value, unit, limit }: Comparison, turns: Turns, size: string): BenchResult {
  const valuesOf = (who: string) => turns.get(who)?.map(({ round }) => value(round));
  const [mine, theirs] = [valuesOf(ours)!, valuesOf(peer)];
  const target = limit === undefined ? '–' : `≤ ${limit.toFixed(1)} × ${peer}`;
  const result = { case: `${name}, ${size}`, ours: median(mine), unit, target };
  if (!theirs) return { ...result, met: 'not measured', note: `${peer} is not there` };
  const ratio = ratioOf(mine, theirs);
  return {
    ...result,
    theirs: median(theirs),
    peer: `${peer} ${turns.get(peer)![0]!.contestant.version}`,
    ratio,
    met: limit === undefined || ratio.median <= limit,
  };
}

/** Of our own process; a worker caps its runs. */
function memory(turns: Turns): BenchResult[] {
  return [...turns].flatMap(([name, taken]): BenchResult[] => {
    if (!name.startsWith('rahat')) return [];
    const peak = (...steps: PhysicalStep[]): number => Math.max(...taken.flatMap(({ round }) => steps.map((step) => round[step].peakMb)));
    return [
      { case: `${name}: peak memory, physical backup`, ours: peak('first', 'recent', 'scattered'), unit: 'MB', target: '–', met: true },
      { case: `${name}: peak memory, restore to a folder`, ours: peak('restore', 'restore scattered'), unit: 'MB', target: '–', met: true },
    ];
  });
}
