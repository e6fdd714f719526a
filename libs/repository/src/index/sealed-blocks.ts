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
  private scratch = Buffer.alloc(0);
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
    const sealed = this.scratchOf(block.length + BLOCK_TAG_BYTES);
    moveInto(sealed, cipher.update(block));
    cipher.final();
    sealed.set(cipher.getAuthTag(), block.length);
    writeFully(this.file, sealed, position);
  }

  /** Fills `block`; false where other bytes stand there than were written, or none can be read: then `block` is worth nothing. */
  read(position: number, number: number, block: Uint8Array): boolean {
    const sealed = this.scratchOf(block.length + BLOCK_TAG_BYTES);
    try {
      if (!readFully(this.file, sealed, position)) return false;
    } catch {
      // A bad sector of a local disk is no reason to give up what the repository has as well.
      return false;
    }
    const decipher = createDecipheriv('aes-256-gcm', this.key, this.nonceOf(number), { authTagLength: BLOCK_TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(block.length));
    moveInto(block, decipher.update(sealed.subarray(0, block.length)));
    try {
      decipher.final();
      return true;
    } catch {
      return false;
    }
  }

  /** Never fails: what was written here is needed by nobody any more, and a backup that was committed stays one. */
  close(): void {
    try {
      closeSync(this.file);
    } catch {
      // The system lets go of it with the process.
    }
  }

  private scratchOf(length: number): Buffer {
    if (this.scratch.length < length) this.scratch = Buffer.allocUnsafeSlow(length);
    return this.scratch.subarray(0, length);
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

/** A cipher makes a buffer for each call; hundreds of megabytes of them would wait for the garbage collector. */
function moveInto(target: Uint8Array, made: Buffer): void {
  target.set(made);
  if (made.buffer.byteLength === made.length) (made.buffer as ArrayBuffer).transfer(0);
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
