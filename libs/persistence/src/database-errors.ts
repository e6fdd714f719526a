import { RahatError } from '@rahat/contracts';

const RETRYABLE_STATES = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
]);

/** connection exceptions (08), out of space, memory or connections (53), server going down or starting (57P01–57P04), a disk that fails (58030) */
const AWAY_STATES = /^(08...|53[123]00|57P0[1-4]|58030)$/;
const AWAY_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
]);
const AWAY_MESSAGES =
  /connection terminated|timeout exceeded when trying to connect|connection timeout|client has encountered a connection error|driver not connected|query runner already released/i;

/** character_not_in_repertoire, untranslatable_character: a NUL, or text that isn't UTF-8. */
const UNSTORABLE_STATES = new Set(['22021', '22P05']);

/** No connection, or one that was lost, or nothing left to work with; whatever it was about may be done again when the database is back. */
export class DatabaseAway extends RahatError {
  constructor(cause: unknown) {
    if (codeOf(cause) === '53100')
      super('unavailable', 'The disk of the metadata database is full', { hint: 'Free space there: what waits goes on by itself.', cause });
    else super('unavailable', 'The metadata database is not reachable', { cause });
  }
}

/** Whether the same transaction may succeed when it is simply run again. */
export function isTransactionConflict(error: unknown): boolean {
  return RETRYABLE_STATES.has(codeOf(error));
}

/** Keeps our own errors, says what is wrong with PostgreSQL or with the text, and leaves the rest as it is for who knows the statement. */
export function translateDatabaseError(error: unknown): unknown {
  if (error instanceof RahatError) return error;
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : '';
  if (AWAY_STATES.test(code) || AWAY_CODES.has(code) || AWAY_MESSAGES.test(message)) {
    return new DatabaseAway(error);
  }
  if (code === '57014' || code === '55P03') return new RahatError('unavailable', 'The metadata database took too long', { cause: error });
  if (isTransactionConflict(error))
    return new RahatError('unavailable', 'The metadata database is too busy with the same rows', { cause: error });
  if (UNSTORABLE_STATES.has(code)) {
    return new RahatError('invalid_input', 'The text holds a character that cannot be stored', {
      hint: 'Leave out control characters, such as NUL.',
      cause: error,
    });
  }
  if (code === '28P01' || code === '28000')
    return new RahatError('configuration_invalid', 'The metadata database refused the login', { cause: error });
  return error;
}

/** PostgreSQL's SQLSTATE or the socket's code; TypeORM keeps the driver's error inside its own. */
function codeOf(error: unknown): string {
  const candidates = [error, (error as { driverError?: unknown })?.driverError, ...((error as AggregateError)?.errors ?? [])];
  for (const candidate of candidates) {
    const code = (candidate as { code?: unknown })?.code;
    if (typeof code === 'string') return code;
  }
  return '';
}
