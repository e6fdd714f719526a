import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * Secrets that name a record, `<kind>_<id>_<secret>_<crc>`: found by secret scanners, and a mistyped one is refused without a query. Only
 * the secret's hash is kept.
 */
export interface KeyedText {
  text: string;
  secretHash: Buffer;
}

/** `id`: of the record; its prefix is left out. */
export function newKeyedText(kind: string, id: string): KeyedText {
  const secret = randomBytes(32).toString('hex');
  const body = `${kind}_${id.slice(id.indexOf('_') + 1)}_${secret}`;
  return { text: `${body}_${checksum(body)}`, secretHash: hashOf(secret) };
}

/** Undefined when the text is none of this kind. */
export function parseKeyedText(kind: string, text: string): { id: string; secretHash: Buffer } | undefined {
  const [, found, id, secret, crc] = /^([a-z]+)_([0-9a-f]{32})_([0-9a-f]{64})_([0-9a-f]{8})$/.exec(text) ?? [];
  if (found !== kind || id === undefined || secret === undefined || crc !== checksum(`${kind}_${id}_${secret}`)) return undefined;
  return { id, secretHash: hashOf(secret) };
}

export function sameHash(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, '0');
}

/** 256 random bits need no slow hash. */
function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
