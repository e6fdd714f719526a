import type { IncomingMessage } from 'node:http';
import { RahatError } from '@rahat/contracts';

const KIB = 1024;
/** A log-in, a name, a note, a server: what people and devices send, and all that strangers may. */
const SMALL = 64 * KIB;
/** Definitions that hold lists: hundreds of databases, assertions in SQL, tables to restore, chains of certificates. */
const DEFINITION = 1024 * KIB;
/** A whole organization's definitions at once. */
const DOCUMENTS = 8 * 1024 * KIB;

/** The largest segment of a log that PostgreSQL knows. It passes through, and nobody gathers it. */
const SEGMENT = 1024 * 1024 * KIB;

const LIMITS: Record<string, number> = {
  documents: DOCUMENTS,
  'log-pushes': SEGMENT,
  plans: DEFINITION,
  'restore-plans': DEFINITION,
  restores: DEFINITION,
  scheduling: DEFINITION,
  servers: DEFINITION,
  storages: DEFINITION,
  templates: DEFINITION,
};

/** How many bytes the body of a request may have, by its path alone. */
export function bodyLimitOf(url: string): number {
  const [root, , resource = ''] = url.split('?', 1)[0]!.toLowerCase().split('/').filter(Boolean);
  // Services among each other.
  if (root === 'internal') return DOCUMENTS;
  return Object.hasOwn(LIMITS, resource) ? LIMITS[resource]! : SMALL;
}

/** Whether the body is read by its handler, as it comes, and is no JSON. */
export function isStreamed(method: string, url: string): boolean {
  return method === 'PUT' && /^\/api\/v2\/log-pushes\//i.test(url);
}

export function bodyTooLarge(limit: number): RahatError {
  return new RahatError('payload_too_large', `The body is larger than the ${limit / KIB} KiB that this path takes.`, {
    hint: 'Send less at once.',
  });
}

export function isToldLarger({ headers }: IncomingMessage, limit: number): boolean {
  return Number(headers['content-length'] ?? 0) > limit;
}

/** Says once that a body is larger than its limit: at once where its length is told, else when so much has come. Others read it meanwhile. */
export function whenLarger(request: IncomingMessage, limit: number, tell: () => void): void {
  if (isToldLarger(request, limit)) return tell();
  if (request.headers['transfer-encoding'] === undefined) return;
  let size = 0;
  const count = (part: Buffer): void => {
    size += part.length;
    if (size <= limit) return;
    request.off('data', count);
    tell();
  };
  request.on('data', count);
}
