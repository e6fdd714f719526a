import { RahatError } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';

/** Aborted by the first Ctrl+C (or another of these signals), so that work ends in order; the second Ctrl+C ends the process. */
export function untilInterrupted(message: string, others: readonly NodeJS.Signals[] = []): AbortSignal {
  const cancel = new AbortController();
  process.removeAllListeners('SIGINT').once('SIGINT', () => {
    cancel.abort(new RahatError('cancelled', message));
    process.once('SIGINT', () => process.exit(EXIT.cancelled));
  });
  for (const signal of others) process.on(signal, () => cancel.abort(new RahatError('cancelled', message)));
  return cancel.signal;
}
