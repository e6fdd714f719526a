import { setTimeout as sleep } from 'node:timers/promises';
import { runsGet, runsList, type Client, type Run } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';

const RUN_LIMIT_MS = 15 * 60_000;
const ENDED = new Set<Run['state']>(['succeeded', 'partial', 'failed', 'cancelled', 'missed', 'skipped']);

/** Says what happens on stderr; stdout is kept for the result. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

export async function data<T>(reply: Promise<{ data?: T; error?: unknown; response?: Response }>): Promise<T> {
  const { data: body, error, response } = await reply;
  if (response?.ok) return body as T;
  throw new RahatError('unavailable', `${response?.status ?? 'no answer'}: ${JSON.stringify(error)}`, { cause: error });
}

/** Waits for a run's end; anything but success is the demo's failure. */
export async function succeeded(client: Client, id: string): Promise<Run> {
  const deadline = Date.now() + RUN_LIMIT_MS;
  while (Date.now() < deadline) {
    const run = await data(runsGet({ client, path: { id } }));
    if (run.state === 'succeeded') return run;
    if (ENDED.has(run.state))
      throw new RahatError(
        'restore_failed',
        `The ${run.type} ${run.id} ended as ${run.state}: ${run.error?.message ?? run.reasons.join(' ')}`,
      );
    await sleep(250);
  }
  throw new RahatError('deadline_exceeded', `Run ${id} did not end.`);
}

/** The plan's verification of one level, which starts by itself after the backup. */
export async function verified(client: Client, backup: string, level: Run['level']): Promise<Run> {
  const deadline = Date.now() + RUN_LIMIT_MS;
  while (Date.now() < deadline) {
    const { data: runs } = await data(runsList({ client, query: { backup, type: 'verification', limit: 50 } }));
    const run = runs.find((candidate) => candidate.level === level);
    if (run) return succeeded(client, run.id);
    await sleep(250);
  }
  throw new RahatError('deadline_exceeded', `The ${level} verification of ${backup} did not start.`);
}
