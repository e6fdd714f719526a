import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { lsnOf, RahatError } from '@rahat/contracts';
import { runProcess } from '@rahat/execution';
import type { WalTask, WalTold } from './wal-child.js';

/** The worker's own default for a run. */
const HEAP_MB = 192;
const LOOK_MS = 100;
const LIMIT_MS = 300_000;

/** A moment at which the server had written, or we had committed, up to here. */
export interface Mark {
  at: number;
  position: bigint;
}

/** Follows a server's log in a process as the worker runs it. */
export async function startFollower(task: WalTask) {
  await mkdir(task.scratch);
  const { execArgv, env } = runProcess(HEAP_MB);
  const child = fork(new URL('./wal-child.js', import.meta.url), { execArgv, env: { ...process.env, ...env } });
  const marks: Mark[] = [];
  let failure: string | undefined;
  let end: Extract<WalTold, { commits: number }> | undefined;
  child.on('message', (told: WalTold) => {
    if ('committed' in told) marks.push({ at: performance.now(), position: lsnOf(told.committed) });
    else if ('error' in told) failure = told.error;
    else end = told;
  });
  child.send(task);
  return {
    marks,
    async committed(position: bigint): Promise<void> {
      for (let waitedMs = 0; (marks.at(-1)?.position ?? 0n) < position; waitedMs += LOOK_MS) {
        if (failure !== undefined || waitedMs > LIMIT_MS) throw new RahatError('tool_failed', failure ?? 'The follower did not catch up');
        await new Promise((slept) => setTimeout(slept, LOOK_MS));
      }
    },
    async stop() {
      const exited = once(child, 'exit');
      child.send('stop');
      await exited;
      if (!end) throw new RahatError('tool_failed', failure ?? 'The follower ended without a word');
      return end;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) child.kill('SIGKILL');
    },
  };
}
