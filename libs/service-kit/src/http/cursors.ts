import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import type { z } from 'zod';

export const CURSORS = Symbol('rahat.cursors');

/** Opaque, signed positions in a list; `position` holds the sort's values of the last row and the sort itself. */
export interface Cursors {
  encode(position: unknown): string;
  /** Refuses with `invalid_input` what this installation didn't sign or what belongs to another list. */
  decode<S extends z.ZodType>(cursor: string, position: S): z.infer<S>;
}

const SIGNATURE_BYTES = 16;

export function createCursors(keyBytes: Buffer): Cursors {
  const key = createSecretKey(keyBytes);
  const sign = (body: Buffer) => createHmac('sha256', key).update(body).digest().subarray(0, SIGNATURE_BYTES);
  return {
    encode(position) {
      const body = Buffer.from(JSON.stringify(position));
      return Buffer.concat([sign(body), body]).toString('base64url');
    },
    decode(cursor, schema) {
      const bytes = Buffer.from(cursor, 'base64url');
      const body = bytes.subarray(SIGNATURE_BYTES);
      if (bytes.length > SIGNATURE_BYTES && timingSafeEqual(bytes.subarray(0, SIGNATURE_BYTES), sign(body))) {
        const position = schema.safeParse(JSON.parse(body.toString()));
        if (position.success) return position.data;
      }
      throw new RahatError('invalid_input', 'The cursor is not one of this list', { hint: 'Begin again without a cursor.' });
    },
  };
}
