import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPlatform, type Form, type Platform } from '@rahat/demo';

const STOP_LIMIT_MS = 60_000;

export interface BenchPlatform {
  platform: Platform;
  folder: string;
}

/** The product as its user starts it, in a folder of its own. Whatever happens, none of its processes outlives the measurement. */
export async function withPlatform<T>(
  form: Form,
  { limitMs, environment }: { limitMs: number; environment?: NodeJS.ProcessEnv },
  measure: (bench: BenchPlatform) => Promise<T>,
): Promise<T> {
  // Below a folder that every user can reach: as root, PostgreSQL runs as another user.
  const folder = await mkdtemp(`/var/tmp/rahat-bench-${form}-`);
  await chmod(folder, 0o755);
  const endAll = (): void => killAllOf(folder);
  const leave = (): never => process.exit(143);
  process.once('exit', endAll);
  process.once('SIGTERM', leave);
  try {
    return await withinLimit(limitMs, form, async () => {
      const platform = await startPlatform({
        form,
        dataFolder: path.join(folder, 'data'),
        email: 'owner@example.org',
        password: randomBytes(18).toString('base64url'),
        environment: {
          RAHAT_PORT: '0',
          RAHAT_METRICS_PORT: '0',
          RAHAT_POSTGRESQL_PORT: '0',
          RAHAT_REDIS_PORT: '0',
          ...environment,
        },
      });
      try {
        return await measure({ platform, folder });
      } finally {
        await Promise.race([platform.stop(), sleep(STOP_LIMIT_MS, undefined, { ref: false })]);
      }
    });
  } finally {
    endAll();
    process.off('exit', endAll);
    process.off('SIGTERM', leave);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function withinLimit<T>(limitMs: number, form: Form, work: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = sleep(limitMs, undefined, { signal: over.signal }).then(() => {
    throw new Error(`The measurement of the ${form} did not end within ${limitMs / 1000} s.`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work(), late]);
  } finally {
    over.abort();
  }
}

/** The folder's name is in the command line or the environment of each process that belongs to it. */
function killAllOf(folder: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    try {
      const belongs = ['cmdline', 'environ'].some((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(folder));
      if (belongs) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended meanwhile, or is none of ours.
    }
  }
}
