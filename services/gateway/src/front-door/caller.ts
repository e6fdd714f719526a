import type { Response } from 'express';

/** Whom the front door found behind a request. */
export interface Caller {
  organization: string;
  subject: string;
}

const callers = new WeakMap<Response, Caller>();

export function rememberCaller(response: Response, caller: Caller): void {
  callers.set(response, caller);
}

/** Undefined for a stranger at a door that asks who it is. */
export function callerOf(response: Response): Caller | undefined {
  return callers.get(response);
}
