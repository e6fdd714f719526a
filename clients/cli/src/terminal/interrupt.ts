import { RahatError } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';

/** Aborted by the first Ctrl+C, so that work ends in order; the second one ends the process. */
export function untilInterrupted(message: string): AbortSignal {
  const cancel = new AbortController();
  process.removeAllListeners('SIGINT').once('SIGINT', () => {
    cancel.abort(new RahatError('cancelled', message));
    process.once('SIGINT', () => process.exit(EXIT.cancelled));
  });
  return cancel.signal;
}
