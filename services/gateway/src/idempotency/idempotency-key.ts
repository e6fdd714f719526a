import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { RahatError } from '@rahat/contracts';

/** Bare, or a string of RFC 8941 as the draft writes it. */
const BARE = /^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/;
const QUOTED = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"$/;

export function idempotencyKeyOf(headers: IncomingHttpHeaders): string | undefined {
  const header = headers['idempotency-key'];
  if (header === undefined) return undefined;
  const text = String(header).trim();
  const key = QUOTED.exec(text)?.[1]?.replace(/\\(.)/g, '$1') ?? BARE.exec(text)?.[0];
  if (key !== undefined) return key;
  throw new RahatError('invalid_input', 'The Idempotency-Key is not understood.', {
    hint: 'Send 1 to 255 printable ASCII characters, for example a UUID.',
  });
}

/** Of parts that cannot be taken for each other. */
export function digestOf(...parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}

/** The same body, however it is laid out. */
export function bodyText(body: unknown): string {
  if (!Buffer.isBuffer(body)) return JSON.stringify(body) ?? '';
  const text = body.toString();
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}
