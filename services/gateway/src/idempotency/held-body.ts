import { RahatError } from '@rahat/contracts';
import type { Request } from 'express';

/** As the services take at most. */
const MOST_BYTES = 1024 * 1024;

const bodies = new WeakMap<Request, Buffer>();

/** Reads a body that nobody has read yet, and keeps it for who passes the request on. */
export async function holdBody(request: Request): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MOST_BYTES) throw new RahatError('payload_too_large', `The body is larger than ${MOST_BYTES} bytes.`);
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  bodies.set(request, body);
  return body;
}

/** The body of a request whose stream has ended already. */
export function heldBody(request: Request): Buffer | undefined {
  return bodies.get(request);
}
