import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProcess } from '@rahat/execution';
import { USUAL_SIZE_MB, type BenchOptions } from '../bench-options.js';
import { runMeasured } from '../repository/measured-process.js';
import type { BenchResult } from '../result-table.js';

const CHILD = fileURLToPath(new URL('../stream-child.js', import.meta.url));
/** As a worker caps its runs by default. */
const HEAP_MB = 192;
/** Of a stream's rows the smallest usual mean. */
const CHUNK_BYTES = 65_536;
const INDEX_BYTES_PER_CHUNK = 8;
/** Rows of the index that stay in memory before it moves them out. */
const INDEX_ROWS_MB = 34;
/** Between two measurements of the same. */
const NOISE_MB = 20;

interface Told {
  bytes: number;
  addedBytes: number;
  seconds: number;
  peakMb: number;
  chunks?: number;
}

/** One stream of `--size`, up to a terabyte and beyond: its memory at each power of ten must be that at its beginning. */
export async function streamSuite({ sizeMb = USUAL_SIZE_MB, log }: BenchOptions): Promise<BenchResult[]> {
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'rahat-bench-stream-'));
  try {
    log(`backing up a stream of ${sizeMb / 1000} GB …`);
    const { execArgv, env } = runProcess(HEAP_MB);
    const args = [...execArgv, CHILD, path.join(scratch, 'repository'), String(sizeMb * 1e6)];
    const { output } = await runMeasured({ program: process.execPath, args, env, hear: (text) => log(text.trim()) });
    const told = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Told);
    return told.map((here) => resultAt(here, told[0]!));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function resultAt({ bytes, addedBytes, seconds, peakMb, chunks }: Told, first: Told): BenchResult {
  const indexMb = INDEX_ROWS_MB + (INDEX_BYTES_PER_CHUNK * (bytes - first.bytes)) / CHUNK_BYTES / 1e6;
  const limitMb = first.peakMb + NOISE_MB + indexMb;
  const speed = `${Math.round(bytes / 1e6 / seconds)} MB/s, ${(addedBytes / 1e9).toFixed(1)} GB stored`;
  return {
    case: `peak memory of a backup after ${Math.round(bytes / 1e9)} GB of one stream`,
    ours: peakMb,
    unit: 'MB',
    target: `≤ ${Math.round(limitMb)} MB (as at first, and ${Math.round(indexMb)} MB of the index)`,
    met: peakMb <= limitMb,
    note: chunks === undefined ? speed : `${speed}, ${(chunks / 1e6).toFixed(1)} million chunks`,
  };
}
