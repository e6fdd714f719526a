import { AsyncLocalStorage } from 'node:async_hooks';
import { newId } from '@rahat/contracts';
import type { NextFunction, Request, Response } from 'express';

const HEADER = 'x-request-id';
const OURS = /^request_[0-9a-f]{32}$/;

const current = new AsyncLocalStorage<string>();

/** Of the request that is being answered; undefined in work of our own. */
export function currentRequestId(): string | undefined {
  return current.getStore();
}

export type IdentifiedRequest = Request & { id: string };

/** One id from the front door through all services, into logs and problems. Other forms than ours are not taken over. */
export function giveRequestId(request: Request, response: Response, next: NextFunction): void {
  const given = request.headers[HEADER];
  const id = typeof given === 'string' && OURS.test(given) ? given : newId('request');
  (request as IdentifiedRequest).id = id;
  response.setHeader('X-Request-Id', id);
  current.run(id, next);
}
