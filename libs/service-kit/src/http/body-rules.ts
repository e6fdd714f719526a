import { RahatError } from '@rahat/contracts';
import { json, type NextFunction, type Request, type RequestHandler, type Response } from 'express';

/** No body of ours is nested so deeply; who handles one that is would need a stack for it. */
const DEEPEST = 32;
const [OPENING, CLOSING] = [new Set([0x5b, 0x7b]), new Set([0x5d, 0x7d])];
const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/** Reads bodies of JSON. */
export function readJson(limit: string): RequestHandler {
  const read = json({ limit, verify: refuseDeepJson });
  return (request, response, next) =>
    read(request, response, (error?: unknown) => {
      const type = (error as { type?: unknown } | undefined)?.type;
      // Its message quotes what it could not parse, and that may be a password.
      if (type === 'entity.parse.failed') next(new RahatError('malformed_request', 'The body is not valid JSON.'));
      else if (type === 'entity.verify.failed') next(new RahatError('malformed_request', (error as Error).message));
      else next(error);
    });
}

/** For the parser's `verify`: looks at the bytes before anything is made of them. */
function refuseDeepJson(_request: unknown, _response: unknown, body: Buffer): void {
  let depth = 0;
  let inText = false;
  for (let index = 0; index < body.length; index++) {
    const byte = body[index]!;
    if (inText) {
      if (byte === BACKSLASH) index++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (OPENING.has(byte) && ++depth > DEEPEST) throw new Error(`The body is nested more than ${DEEPEST} levels deep.`);
    else if (CLOSING.has(byte)) depth--;
  }
}

/** A body that nobody reads would look like none to a handler. */
export function refuseOtherThanJson(request: Request, _response: Response, next: NextFunction): void {
  const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  if (hasBody && !request.is('application/json'))
    throw new RahatError(
      'unsupported_media_type',
      `A body of the type ${request.headers['content-type'] ?? '(none told)'} is not understood.`,
    );
  next();
}
