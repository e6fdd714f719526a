import { RahatError } from '@rahat/contracts';
import { bodyLimitOf, bodyTooLarge, whenLarger } from '@rahat/service-kit';
import type { Request } from 'express';

const bodies = new WeakMap<Request, Buffer>();

/** Reads a body that nobody has read yet, and keeps it for who passes the request on. */
export async function holdBody(request: Request): Promise<Buffer> {
  if (request.readableEnded) return Buffer.alloc(0);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const parts: Buffer[] = [];
  const keep = (part: Buffer) => void parts.push(part);
  request.on('data', keep);
  request.once('end', () => resolve(Buffer.concat(parts)));
  request.once('error', (cause) => reject(new RahatError('malformed_request', 'The body was cut off.', { cause })));
  const limit = bodyLimitOf(request.originalUrl);
  whenLarger(request, limit, () => {
    // The rest is let go by, so that the answer finds its way to who sends it.
    request.off('data', keep).resume();
    reject(bodyTooLarge(limit));
  });
  const body = await promise;
  bodies.set(request, body);
  return body;
}

/** The body of a request whose stream has ended already. */
export function heldBody(request: Request): Buffer | undefined {
  return bodies.get(request);
}
