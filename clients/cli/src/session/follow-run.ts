import { setTimeout as sleep } from 'node:timers/promises';
import { runsEvents, runsGet, type Run } from '@rahat/api-client';
import { RahatError, type ErrorCode } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { bytes, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { answer, type Api } from './api.js';

const LOOK_AGAIN_MS = 400;
/** Streams beat every 20 s. */
const LONGEST_SILENCE_MS = 60_000;
const PASSES = new Set<ErrorCode>(['unavailable', 'overloaded', 'rate_limited']);
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
      await watch(api, id, run, (changed) => terminal.progress(`${name}: ${describe(changed)}`));
    } catch (error) {
      if (!(error instanceof RahatError && PASSES.has(error.code)) || (unanswered += 1) > 75) throw error;
    }
    await sleep(LOOK_AGAIN_MS);
  }
}

/** Until the stream of its events ends, for whatever reason: what came of the run is asked for then. */
async function watch(api: Api, id: string, begin: Run, show: (run: Run) => void): Promise<void> {
  let run = begin;
  const silence = new AbortController();
  const listening = setTimeout(() => silence.abort(), LONGEST_SILENCE_MS);
  const { stream } = await runsEvents({
    client: api.client,
    path: { id },
    sseMaxRetryAttempts: 1,
    signal: silence.signal,
    onSseEvent: ({ event, data }) => {
      listening.refresh();
      if (event === 'run') run = { ...(data as unknown as Run), progress: (data as unknown as Run).progress ?? run.progress };
      else if (event === 'progress') run = { ...run, progress: data as unknown as Run['progress'] };
      else return;
      show(run);
    },
  });
  try {
    // Each event was shown as it came.
    for await (const _event of stream);
  } finally {
    clearTimeout(listening);
  }
}

function describe(run: Run): string {
  if (!run.progress) return run.waitingFor ? `${run.state}: ${run.waitingFor.message}` : run.state;
  const { phase, bytes: done, totalBytes, object, slowedBy } = run.progress;
  const share = totalBytes ? ` of about ${bytes(totalBytes)}` : '';
  return `${phase} ${bytes(done)}${share}${object ? `  ${object}` : ''}${slowedBy ? `  (${visible(slowedBy)})` : ''}`;
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
