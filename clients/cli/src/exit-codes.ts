import { ERROR_CATALOGUE, type ErrorCode } from '@rahat/contracts';

/** Documented in `rahat-backup --help`; scripts rely on them. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  authentication: 3,
  notFound: 4,
  conflict: 5,
  partial: 6,
  overdue: 7,
  wouldChange: 7,
  cancelled: 130,
} as const;

export const EXIT_CODE_HELP = `
Exit codes:
  0  done               4  not found               7    something is overdue (status), or would change (diff)
  1  failed             5  conflict or stale plan  130  cancelled
  2  wrong usage        6  partial result
  3  login needed, wrong passphrase or not allowed`;

export function exitCodeOf(code: string): number {
  if (code === 'cancelled') return EXIT.cancelled;
  const status = ERROR_CATALOGUE[code as ErrorCode]?.status;
  if (status === 401 || status === 403) return EXIT.authentication;
  if (status === 404) return EXIT.notFound;
  if (status === 409 || status === 412) return EXIT.conflict;
  if (status === 422) return EXIT.usage;
  return EXIT.failed;
}
