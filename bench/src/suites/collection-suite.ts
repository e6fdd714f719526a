import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { RahatError } from '@rahat/contracts';
import { runProcess } from '@rahat/execution';
import type { CollectReport } from '@rahat/repository';
import type { BenchOptions } from '../bench-options.js';
import { runMeasured, type Usage } from '../repository/measured-process.js';
import type { BenchResult } from '../result-table.js';

const CHILD = fileURLToPath(new URL('../collection-child.js', import.meta.url));
/** 1 TB of unique data at the usual mean of 100 KB a chunk. */
const CHUNKS = 10_000_000;
const SNAPSHOTS = 30;
const QUICK_SHARE = 20;
/** 512 MiB. */
const MEMORY_TARGET_MB = 537;
/** As a worker caps its runs by default. */
const HEAP_MB = 192;

interface Collected {
  ms: number;
  report: CollectReport;
}

/** Both phases of a collection over a repository of many chunks, of which a tenth is needed by nobody. */
export async function collectionSuite({ quick, chunks: wanted, log }: BenchOptions): Promise<BenchResult[]> {
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'rahat-bench-collection-'));
  const folder = path.join(scratch, 'repository');
  const chunks = wanted ?? (quick ? CHUNKS / QUICK_SHARE : CHUNKS);
  const what = `${chunks / 1e6} million chunks, ${SNAPSHOTS} snapshots`;
  try {
    log(`making a repository of ${what} …`);
    const { deadPacks } = (await child<{ deadPacks: number }>('make', folder, String(chunks), String(SNAPSHOTS))).facts;
    await child('age', folder);
    const condemning = await child<Collected>('collect', folder);
    expectPacks('condemned', condemning.facts.report.condemned.dead.packs, deadPacks);
    log(told('condemning', condemning));
    await child('age', folder);
    const deleting = await child<Collected>('collect', folder);
    expectPacks('deleted', deleting.facts.report.deleted.packs, deadPacks);
    log(told('deleting', deleting));
    return [result(`collection that condemns, ${what}`, condemning), result(`collection that deletes, ${what}`, deleting)];
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

type Measured<T> = Usage & { facts: T };

async function child<T>(...args: string[]): Promise<Measured<T>> {
  const { execArgv, env } = runProcess(HEAP_MB);
  const usage = await runMeasured({ program: process.execPath, args: [...execArgv, CHILD, ...args], env });
  return { ...usage, facts: JSON.parse(usage.output || '{}') as T };
}

/** A collection that did something else measured nothing. */
function expectPacks(what: string, found: number, expected: number): void {
  if (found !== expected) throw new RahatError('internal', `${found} packs were ${what} where ${expected} are needed by nobody.`);
}

function told(phase: string, { facts, peakMb, cpuSeconds }: Measured<Collected>): string {
  return `${phase}: ${(facts.ms / 1000).toFixed(1)} s (cpu ${cpuSeconds.toFixed(1)} s), peak ${peakMb.toFixed(0)} MB`;
}

function result(name: string, { facts, peakMb, cpuSeconds }: Measured<Collected>): BenchResult {
  return {
    case: `${name}: peak memory`,
    ours: peakMb,
    unit: 'MB',
    target: `≤ ${MEMORY_TARGET_MB} MB (512 MiB)`,
    met: peakMb <= MEMORY_TARGET_MB,
    note: `${(facts.ms / 1000).toFixed(1)} s, cpu ${cpuSeconds.toFixed(1)} s`,
  };
}
