import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProcess } from '@rahat/execution';
import type { LookUpRates } from '@rahat/repository/measuring';
import type { BenchOptions } from '../bench-options.js';
import { runMeasured, type Usage } from '../repository/measured-process.js';
import { median, type BenchResult } from '../result-table.js';

const CHILD = fileURLToPath(new URL('../index-child.js', import.meta.url));
/** What 1 TB of unique data makes at the usual mean of 100 KB a chunk. */
const CHUNKS_PER_TB = 10_000_000;
const CHUNKS = CHUNKS_PER_TB;
const SNAPSHOTS = 10_000;
const QUICK_SHARE = 20;
const WARM_LIMIT_SECONDS = 2;
const MB_PER_TB = 64;
const FIXED_MB = 64;
/** As a worker caps its runs by default. */
const HEAP_MB = 192;

interface Begun {
  openedMs: number;
  begunMs: number;
}

/** A repository of random ids: how long until a backup can begin, with and without the local cache, in how much memory. */
export async function indexSuite({ runs, quick, chunks: wanted, log }: BenchOptions): Promise<BenchResult[]> {
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'rahat-bench-index-'));
  const chunks = wanted ?? (quick ? CHUNKS / QUICK_SHARE : CHUNKS);
  const snapshots = Math.ceil((SNAPSHOTS * chunks) / CHUNKS);
  const what = `${chunks / 1e6} million chunks, ${snapshots} snapshots`;
  const folder = path.join(scratch, 'repository');
  const empty = path.join(scratch, 'empty');
  const usual = path.join(scratch, 'usual');
  const cache = path.join(scratch, 'cache');
  try {
    log(`making a repository of ${what} …`);
    await child('make', folder, String(chunks), String(snapshots));
    await child('make', empty, '0', '0');
    await child('make', usual, '0', '0', 'derive');
    const derivation = (await child<Begun>('begin', usual)).facts.openedMs;
    const base = await child<Begun>('begin', empty);
    const bare = await child<Begun>('begin', folder);
    const cold = await child<Begun>('begin', folder, cache);
    log(`cold ${bare.facts.begunMs.toFixed(0)} ms, and ${cold.facts.begunMs.toFixed(0)} ms when it fills the cache`);
    const warm: (Measured<Begun> & Usage)[] = [];
    for (let run = 0; run < Math.max(runs, 3); run++) {
      warm.push(await child<Begun>('begin', folder, cache));
      log(`warm ${warm.at(-1)!.facts.begunMs.toFixed(0)} ms, peak ${warm.at(-1)!.peakMb.toFixed(0)} MB`);
    }
    const list = await child<{ snapshots: number; listedMs: number }>('list', folder);
    const rates = (await child<LookUpRates>('look-up', String(chunks))).facts;
    const boundMb = (MB_PER_TB * chunks) / CHUNKS_PER_TB + FIXED_MB;
    const warmSeconds = (median(warm.map(({ facts }) => facts.begunMs)) + derivation) / 1000;
    const memory = (of: string, peakMb: number): BenchResult => ({
      case: `memory of the index, ${of}`,
      ours: peakMb - base.peakMb,
      unit: 'MB',
      target: `≤ ${boundMb} MB (64 MB and 64 MB per TB)`,
      met: peakMb - base.peakMb <= boundMb,
      note: `peak ${peakMb.toFixed(0)} MB, of an empty repository ${base.peakMb.toFixed(0)} MB`,
    });
    return [
      {
        case: `open and begin a backup, warm cache, ${what}`,
        ours: warmSeconds,
        unit: 's',
        target: `≤ ${WARM_LIMIT_SECONDS} s`,
        met: warmSeconds <= WARM_LIMIT_SECONDS,
        note: `of it key derivation ${(derivation / 1000).toFixed(2)} s`,
      },
      told('the same without a cache', bare.facts.begunMs / 1000),
      told('the same while the cache is filled', cold.facts.begunMs / 1000),
      told(`list all ${list.facts.snapshots} snapshots`, list.facts.listedMs / 1000),
      memory('warm', Math.max(...warm.map(({ peakMb }) => peakMb))),
      memory('without a cache', bare.peakMb),
      memory('while the cache is filled', cold.peakMb),
      {
        case: 'look-ups of known chunks in the order of the packs',
        ours: rates.hitsPerSecond / 1e6,
        unit: 'million/s',
        target: '–',
        met: 'not measured',
        note: `scattered ${million(rates.scatteredHitsPerSecond)}, of unknown chunks ${million(rates.missesPerSecond)}, inserts ${million(rates.insertsPerSecond)}; ${rates.slotBytesPerChunk.toFixed(1)} bytes a chunk besides 32 MiB`,
      },
    ];
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface Measured<T> {
  facts: T;
}

async function child<T>(...args: string[]): Promise<Measured<T> & Usage> {
  const { execArgv, env } = runProcess(HEAP_MB);
  const usage = await runMeasured({ program: process.execPath, args: [...execArgv, CHILD, ...args], env });
  return { ...usage, facts: JSON.parse(usage.output || '{}') as T };
}

function told(name: string, seconds: number): BenchResult {
  return { case: name, ours: seconds, unit: 's', target: '–', met: 'not measured' };
}

function million(perSecond: number): string {
  return `${(perSecond / 1e6).toFixed(2)} million/s`;
}
