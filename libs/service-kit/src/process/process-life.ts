import { RahatError } from '@rahat/contracts';
import type { Logger } from 'pino';

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export interface RunningProcess {
  drain(): Promise<void>;
  /** What it takes at most where everything is there that it needs. */
  longestDrainMs: number;
}

/**
 * Runs until a signal asks it to drain. A second signal leaves at once. When the one who started us over a channel is
 * killed, the channel closes, and nobody is left to stop us: we drain then, too, and leave when that doesn't end, because queues
 * and databases may have gone the same way.
 */
export async function live(log: Logger, start: () => Promise<RunningProcess>): Promise<void> {
  const stopping = new AbortController();
  const asked = Promise.withResolvers<string>();
  const stop = (by: keyof typeof EXIT_CODES | 'channel') => {
    if (stopping.signal.aborted && by !== 'channel') process.exit(EXIT_CODES[by]);
    stopping.abort();
    asked.resolve(by);
  };
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('disconnect', () => stop('channel'));
  try {
    const running = await start();
    log.info({ pid: process.pid }, 'started');
    const by = await asked.promise;
    log.info({ by }, 'draining');
    if (by === 'channel') setTimeout(() => leave(log), running.longestDrainMs);
    await running.drain();
    log.info('stopped');
    process.exit(0);
  } catch (error) {
    const { code, message, hint } = RahatError.from(error);
    log.fatal({ err: error, code, hint }, message);
    process.exit(1);
  }
}

function leave(log: Logger): never {
  log.warn('left without an end of what is under way: nobody is there any more who started this process, nor what it waits for');
  process.exit(1);
}
