import { RahatError } from '@rahat/contracts';
import { json, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { bodyLimitOf, bodyTooLarge, isStreamed, isToldLarger, whenLarger } from './body-limits.js';

/** No body of ours is nested so deeply; who handles one that is would need a stack for it. */
const DEEPEST = 32;
const [OPENING, CLOSING] = [new Set([0x5b, 0x7b]), new Set([0x5d, 0x7d])];
const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/** Reads bodies of JSON, each within the limit of its path. */
export function readJson(): RequestHandler {
  const readers = new Map<number, RequestHandler>();
  const readerOf = (limit: number): RequestHandler => {
    const known = readers.get(limit) ?? json({ limit, verify: refuseDeepJson });
    readers.set(limit, known);
    return known;
  };
  return (request, response, next) => {
    const limit = bodyLimitOf(request.originalUrl);
    if (isStreamed(request.method, request.originalUrl)) return next(isToldLarger(request, limit) ? bodyTooLarge(limit) : undefined);
    let told = false;
    const tell = (error?: unknown): void => {
      if (!told) next(error && refusalOf(error, limit));
      told = true;
    };
    // The reader itself would wait until a body without an end has ended.
    whenLarger(request, limit, () => tell(bodyTooLarge(limit)));
    if (!told) void readerOf(limit)(request, response, tell);
  };
}

function refusalOf(error: unknown, limit: number): unknown {
  switch ((error as { type?: unknown }).type) {
    // Of one that was compressed.
    case 'entity.too.large':
      return bodyTooLarge(limit);
    // Its message quotes what it could not parse, and that may be a password.
    case 'entity.parse.failed':
      return new RahatError('malformed_request', 'The body is not valid JSON.');
    case 'entity.verify.failed':
      return new RahatError('malformed_request', (error as Error).message);
    default:
      return error;
  }
}

/** For the parser's `verify`: looks at the bytes before anything is made of them. */
function refuseDeepJson(_request: unknown, _response: unknown, body: Buffer, charset: string): void {
  // RFC 8259 §8.1. In others a bracket or a quote may be half of another sign.
  if (charset !== 'utf-8') throw new Error('The body is not UTF-8.');
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
  if (hasBody && !isStreamed(request.method, request.originalUrl) && !request.is('application/json'))
    throw new RahatError(
      'unsupported_media_type',
      `A body of the type ${request.headers['content-type'] ?? '(none told)'} is not understood.`,
    );
  next();
}
