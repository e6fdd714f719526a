import { RahatError } from '@rahat/contracts';
import type { Logger } from 'pino';

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs until a signal asks it to drain. A second signal leaves at once. When the one who started us over a channel is
 * killed, the channel closes, and nobody is left to stop us: we drain then, too.
 */
export async function live(log: Logger, start: () => Promise<{ drain(): Promise<void> }>): Promise<void> {
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
    log.info({ by: await asked.promise }, 'draining');
    await running.drain();
    log.info('stopped');
    process.exit(0);
  } catch (error) {
    const { code, message, hint } = RahatError.from(error);
    log.fatal({ err: error, code, hint }, message);
    process.exit(1);
  }
}
