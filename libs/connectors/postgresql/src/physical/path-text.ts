import { isUtf8 } from 'node:buffer';

/** Paths are bytes to a server. What is not UTF-8, or looks as if it were escaped by us, is written as `\x` and hex. */
const ESCAPE = '\\x';

export function pathText(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  return isUtf8(bytes) && !text.startsWith(ESCAPE) ? text : `${ESCAPE}${bytes.toString('hex')}`;
}

export function pathBytes(text: string): Buffer {
  return text.startsWith(ESCAPE) ? Buffer.from(text.slice(ESCAPE.length), 'hex') : Buffer.from(text);
}

/** Whether a path stays below the folder that it is resolved in: no root, no `..`, no empty or NUL part. */
export function staysInside(bytes: Buffer): boolean {
  const parts = bytes.toString('latin1').split('/');
  return parts.every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'));
}
