import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { newId } from '@rahat/contracts';
import type { ExecutionOptions } from '@rahat/execution';

/** Whose log it is that a repository of the bench holds. */
export const BENCH_STREAM = 'stream_bench';

const LIMIT_MS = 3_600_000;

/** What every run of the bench is told beside its task. */
export function runHead() {
  return {
    version: 1 as const,
    run: newId('run'),
    attempt: 1,
    organization: newId('organization'),
    engine: 'postgresql' as const,
    server: { id: 'server_bench', name: 'bench' },
    repository: 'bench',
    deadline: new Date(Date.now() + LIMIT_MS).toISOString(),
    noProgressSeconds: 600,
    sealedSecrets: '',
  };
}

/** With a scratch folder that is gone afterwards. */
export async function withRunOptions<T>(work: (options: ExecutionOptions) => Promise<T>): Promise<T> {
  const scratchFolder = await mkdtemp(path.join(os.tmpdir(), 'rahat-bench-scratch-'));
  try {
    return await work({
      signal: AbortSignal.timeout(LIMIT_MS),
      onProgress: () => undefined,
      onLog: () => undefined,
      toolFolders: [],
      scratchFolder,
      workerName: 'bench',
    });
  } finally {
    await rm(scratchFolder, { recursive: true, force: true });
  }
}
