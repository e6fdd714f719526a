import { setTimeout as sleep } from 'node:timers/promises';
import { runsGet, type Run } from '@rahat/api-client';
import { RahatError, type ErrorCode } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { bytes } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { answer, type Api } from './api.js';

const POLL_MS = 400;
const ENDED = new Set<Run['state']>(['succeeded', 'partial', 'failed', 'cancelled', 'missed', 'skipped']);

/** Shows a run's progress until it ended. A platform that restarts meanwhile is waited for. */
export async function followRun(api: Api, terminal: Terminal, id: string, name: string): Promise<Run> {
  let unanswered = 0;
  for (;;) {
    try {
      const run = await answer(runsGet({ client: api.client, path: { id } }));
      unanswered = 0;
      if (ENDED.has(run.state)) {
        terminal.progressEnd();
        return run;
      }
      terminal.progress(`${name}: ${describe(run)}`);
    } catch (error) {
      if (!(error instanceof RahatError && error.code === 'unavailable') || (unanswered += 1) > 75) throw error;
    }
    await sleep(POLL_MS);
  }
}

function describe(run: Run): string {
  if (!run.progress) return run.waitingFor ? `${run.state}: ${run.waitingFor.message}` : run.state;
  const { phase, bytes: done, totalBytes, object } = run.progress;
  const share = totalBytes ? ` of about ${bytes(totalBytes)}` : '';
  return `${phase} ${bytes(done)}${share}${object ? `  ${object}` : ''}`;
}

/** Throws unless the run succeeded; a partial one sets its own exit code. */
export function judgeRun(run: Run): void {
  if (run.state === 'succeeded') return;
  if (run.state === 'partial') {
    process.exitCode = EXIT.partial;
    return;
  }
  const message = run.error?.message ?? run.reasons.join(' ');
  throw new RahatError(
    (run.error?.code ?? (run.state === 'cancelled' ? 'cancelled' : 'internal')) as ErrorCode,
    `The ${run.type} ${run.id} ${run.state === 'cancelled' ? 'was cancelled' : 'failed'}: ${message}`,
    {
      hint: run.error?.hint,
    },
  );
}
