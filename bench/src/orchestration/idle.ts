import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import type { Platform } from '@rahat/demo';
import type { BenchOptions } from '../bench-options.js';
import type { BenchResult } from '../result-table.js';
import { withPlatform } from './platform.js';
import { usageBelow } from './process-usage.js';

const LIMIT_MS = 8 * 60_000;
const CPU_LIMIT_PERCENT = 1;
const MEMORY_LIMIT_MB = 350;
const LOOK_EVERY_MS = 500;
/** After its first act: what that left behind is collected, connections that nobody needs are closed. */
const SETTLE_SECONDS = { full: 60, quick: 15 };
const SAMPLE_SECONDS = { full: 60, quick: 20 };

/** The standalone platform with nothing to do but to be there. */
export async function idleCase({ quick, log }: BenchOptions): Promise<BenchResult[]> {
  return withPlatform('standalone', { limitMs: LIMIT_MS }, async ({ platform }) => {
    log('standalone is up, waiting until it has proven its own backup …');
    await untilProven(platform);
    await sleep(1000 * SETTLE_SECONDS[quick ? 'quick' : 'full']);
    const seconds = SAMPLE_SECONDS[quick ? 'quick' : 'full'];
    log(`measuring ${seconds} s of rest …`);
    const before = usageBelow(platform.pid);
    await sleep(1000 * seconds);
    const after = usageBelow(platform.pid);
    const percent = (part: 'own' | 'postgresql') => (100 * (after[part].cpuSeconds - before[part].cpuSeconds)) / seconds;
    const { own, postgresql } = after;
    return [
      {
        case: 'standalone at rest, processor',
        ours: percent('own'),
        unit: '%',
        target: `< ${CPU_LIMIT_PERCENT} % of a core`,
        met: percent('own') < CPU_LIMIT_PERCENT,
        note: `over ${seconds} s; besides, its PostgreSQL ${percent('postgresql').toFixed(2)} %`,
      },
      {
        case: 'standalone at rest, memory',
        ours: own.rssMb,
        unit: 'MB',
        target: `< ${MEMORY_LIMIT_MB} MB`,
        met: own.rssMb < MEMORY_LIMIT_MB,
        note: `resident, of it its share ${Math.round(own.pssMb)} MB; besides, its PostgreSQL ${Math.round(postgresql.pssMb)} MB`,
      },
    ];
  });
}

async function untilProven({ lines }: Platform): Promise<void> {
  for (;;) {
    if (lines.some((line) => /protected itself/.test(line))) return;
    const failed = lines.find((line) => /did not prove/.test(line));
    if (failed) throw new RahatError('unavailable', failed.trim());
    await sleep(LOOK_EVERY_MS);
  }
}
