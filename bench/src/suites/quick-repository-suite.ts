import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { BenchOptions } from '../bench-options.js';
import { rahat } from '../repository/contestants.js';
import { processorShare } from '../repository/limit-shares.js';
import { backupLimitSeconds, measureLimits, restoreLimitSeconds } from '../repository/machine-limits.js';
import { inNewHome } from '../repository/rounds.js';
import { runMeasured } from '../repository/measured-process.js';
import { assertSameBytes, writeDump } from '../repository/sample-data.js';
import type { BenchResult } from '../result-table.js';

const SEED = 20_261_127;
const DUMP_BYTES = 256e6;
const SAMPLE_BYTES = 32 * 1024 * 1024;
/** Below what a busy machine shows (0.8 and 0.6), above what is left of that when most of the work is done twice. */
const LEAST = { backup: 0.5, restore: 0.3 };

/**
 * Under a minute, without peers: a first backup and its restore, judged by what the machine needs for their stages alone. What a
 * process costs before its first byte (start, key derivation) is measured with an empty stream, and left out.
 */
export async function quickRepositorySuite({ runs, log }: BenchOptions): Promise<BenchResult[]> {
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'rahat-bench-'));
  try {
    const dump = path.join(scratch, 'dump.sql');
    const nothing = path.join(scratch, 'nothing');
    await writeFile(nothing, '');
    const bytes = await writeDump(dump, DUMP_BYTES, SEED, 1);
    const taken = { backup: [] as number[], restore: [] as number[] };
    for (let run = 1; run <= runs; run++) {
      const empty = await backUpAndRestore(nothing, scratch);
      const full = await backUpAndRestore(dump, scratch);
      taken.backup.push(full.backup - empty.backup);
      taken.restore.push(full.restore - empty.restore);
      log(`run ${run}: ${describe(full)}, of which without a byte ${describe(empty)}`);
    }
    const limits = measureLimits(dump, path.join(scratch, 'limit'), SAMPLE_BYTES);
    return [
      processorShare('first backup', { cpuSeconds: taken.backup }, backupLimitSeconds(limits, bytes), LEAST.backup),
      processorShare('restore', { cpuSeconds: taken.restore }, restoreLimitSeconds(limits, bytes), LEAST.restore),
    ];
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface CpuSeconds {
  backup: number;
  restore: number;
}

function backUpAndRestore(dump: string, scratch: string): Promise<CpuSeconds> {
  return inNewHome(rahat, scratch, async (contestant) => {
    const backup = await runMeasured({ ...contestant.backUpStream('dump.sql'), stdin: dump });
    const restored = path.join(scratch, 'restored');
    const restore = await runMeasured({ ...contestant.restoreStream(), stdout: restored });
    await assertSameBytes(restored, dump, contestant.name);
    await rm(restored);
    return { backup: backup.cpuSeconds, restore: restore.cpuSeconds };
  });
}

function describe({ backup, restore }: CpuSeconds): string {
  return `backup ${backup.toFixed(2)} s, restore ${restore.toFixed(2)} s of the processor`;
}
