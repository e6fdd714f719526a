import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export const BLOCK_TAG_BYTES = 16;
const NONCE_BYTES = 12;

/**
 * Blocks of a local file, each sealed by AES-256-GCM. The number of a block is its nonce: under one key a number is written
 * once and never again. Synchronous, because a look-up of the index is.
 */
export class SealedBlocks {
  private readonly key: KeyObject;
  private readonly nonce = Buffer.alloc(NONCE_BYTES);

  constructor(
    private readonly file: number,
    key: Buffer,
  ) {
    this.key = createSecretKey(key);
  }

  /** Takes the block's bytes and a tag at `position`; throws what the file system throws. */
  write(position: number, number: number, block: Uint8Array): void {
    const cipher = createCipheriv('aes-256-gcm', this.key, this.nonceOf(number));
    const sealed = Buffer.allocUnsafe(block.length + BLOCK_TAG_BYTES);
    sealed.set(cipher.update(block));
    cipher.final();
    sealed.set(cipher.getAuthTag(), block.length);
    writeFully(this.file, sealed, position);
  }

  /** Fills `block`; false where the file is cut off or other bytes stand there than were written, then `block` is worth nothing. */
  read(position: number, number: number, block: Uint8Array): boolean {
    const sealed = Buffer.allocUnsafe(block.length + BLOCK_TAG_BYTES);
    if (!readFully(this.file, sealed, position)) return false;
    const decipher = createDecipheriv('aes-256-gcm', this.key, this.nonceOf(number), { authTagLength: BLOCK_TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(block.length));
    const plain = decipher.update(sealed.subarray(0, block.length));
    try {
      decipher.final();
    } catch {
      return false;
    }
    block.set(plain);
    return true;
  }

  close(): void {
    closeSync(this.file);
  }

  private nonceOf(number: number): Buffer {
    this.nonce.writeUIntBE(number, NONCE_BYTES - 6, 6);
    return this.nonce;
  }
}

/** A file of this process alone, under a key that only its memory knows; it has no name any more when this returns. */
export function openSpillFile(folder: string): SealedBlocks {
  const path = join(folder, `rahat-spill-${randomBytes(8).toString('hex')}`);
  const file = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return new SealedBlocks(file, randomBytes(32));
}

export function readFully(file: number, bytes: Uint8Array, position: number): boolean {
  for (let done = 0; done < bytes.length;) {
    const read = readSync(file, bytes, done, bytes.length - done, position + done);
    if (read === 0) return false;
    done += read;
  }
  return true;
}

export function writeFully(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}
