import type { NextFunction, Request, Response } from 'express';

/** Browsers send one request after the other, and an answer that waits for those before it is kept in memory. */
const MOST_WAITING = 16;

/** Each who measures, limits or watches an answer wants to know of its end; Node.js warns of more than ten. */
const LISTENERS = 20;

const waiting = new WeakMap<object, number>();

/** Cuts off who sends many requests on one connection without waiting for answers. */
export function refusePipelines({ socket }: Request, response: Response, next: NextFunction): void {
  const count = (waiting.get(socket) ?? 0) + 1;
  if (count > MOST_WAITING || socket.destroyed) return void socket.destroy();
  waiting.set(socket, count);
  response.setMaxListeners(LISTENERS);
  response.once('close', () => waiting.set(socket, waiting.get(socket)! - 1));
  next();
}
