import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { newId } from '@rahat/contracts';

/** `rhb_<id>_<secret>_<crc>`: found by secret scanners, and a mistyped one is refused without a query. */
const FORMAT = /^rhb_([0-9a-f]{32})_([0-9a-f]{64})_([0-9a-f]{8})$/;

export interface NewApiKey {
  id: string;
  text: string;
  secretHash: Buffer;
}

export function newApiKey(): NewApiKey {
  const id = newId('apiKey');
  const secret = randomBytes(32).toString('hex');
  const body = `rhb_${id.slice(id.indexOf('_') + 1)}_${secret}`;
  return { id, text: `${body}_${checksum(body)}`, secretHash: hashOf(secret) };
}

/** Undefined when the text is no API key of ours. */
export function parseApiKey(text: string): { id: string; secretHash: Buffer } | undefined {
  const [, id, secret, crc] = FORMAT.exec(text) ?? [];
  if (id === undefined || secret === undefined || crc !== checksum(`rhb_${id}_${secret}`)) return undefined;
  return { id: `key_${id}`, secretHash: hashOf(secret) };
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
