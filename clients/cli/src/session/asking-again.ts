import { setTimeout as sleep } from 'node:timers/promises';

/** Longer than a window of the platform's limits, which is a minute. */
const PATIENCE_SECONDS = 75;

/** Waits that a person wonders about. */
const WORTH_TELLING_SECONDS = 3;

interface Waiting {
  wait?: (seconds: number) => Promise<void>;
  say?: (line: string) => void;
}

/**
 * Sends a request again that the platform refused before anything was done, after the seconds that it told: too many requests, or too many
 * at once. Whatever else fails may have been done, and is for the caller to judge.
 */
export function askingAgain(send: typeof fetch, { wait = pause, say = tell }: Waiting = {}): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    for (let left = PATIENCE_SECONDS; ;) {
      const response = await send(request.clone());
      const seconds = await toldToWait(response);
      if (seconds === undefined || seconds > left) return response;
      left -= seconds;
      await response.body?.cancel();
      if (seconds >= WORTH_TELLING_SECONDS) say(`The platform is asked for too much just now; trying again in ${seconds} s …`);
      await wait(seconds);
    }
  };
}

async function toldToWait(response: Response): Promise<number | undefined> {
  if (response.status !== 429 && response.status !== 503) return undefined;
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  if (!Number.isFinite(seconds) || seconds < 0) return undefined;
  // Less than a second would only be another knock at the same full door.
  return response.status === 429 || (await isOverload(response)) ? Math.max(1, seconds) : undefined;
}

/** Any other 503 may have lost the answer to what was done. */
async function isOverload(response: Response): Promise<boolean> {
  const problem: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  return (problem as { code?: unknown } | undefined)?.code === 'overloaded';
}

async function pause(seconds: number): Promise<void> {
  await sleep(seconds * 1000);
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}
