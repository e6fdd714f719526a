import * as crypto from 'node:crypto';
import { argon2id } from '@noble/hashes/argon2.js';

export interface Argon2Parameters {
  memoryKib: number;
  passes: number;
  parallelism: number;
  salt: Uint8Array;
}

const KEY_BYTES = 32;
const native = crypto.argon2Sync as typeof crypto.argon2Sync | undefined;

/** Argon2id v1.3, 32 bytes. Node.js has it from 24.7 on; older ones get a JavaScript implementation (seconds instead of a fraction of one). */
export function argon2Key(passphrase: Uint8Array, { memoryKib, passes, parallelism, salt }: Argon2Parameters): Buffer {
  if (native) {
    return native('argon2id', { message: passphrase, nonce: salt, parallelism, tagLength: KEY_BYTES, memory: memoryKib, passes });
  }
  return Buffer.from(argon2id(passphrase, salt, { t: passes, m: memoryKib, p: parallelism, dkLen: KEY_BYTES, version: 0x13 }));
}
