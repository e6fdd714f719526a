import { ERROR_CATALOGUE, RahatError, type ErrorCode } from '@rahat/contracts';
import type { Request, Response } from 'express';

/** Where a problem's `type` leads: what the code means and what to do. */
export function showErrorCode(request: Request, response: Response): void {
  const code = String(request.params.code);
  if (!Object.hasOwn(ERROR_CATALOGUE, code)) throw new RahatError('not_found', 'There is no such error code.');
  const { status, title, retryable, hint } = ERROR_CATALOGUE[code as ErrorCode];
  const lines = [
    `${code} (HTTP ${status})`,
    title,
    ...(hint ? [hint] : []),
    retryable ? 'Trying again may help.' : 'Trying again without a change does not help.',
  ];
  response.type('text/plain').send(`${lines.join('\n')}\n`);
}
