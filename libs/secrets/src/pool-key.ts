import { Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';
import { RahatError } from '@rahat/contracts';
import { openKeyFile } from './key-file.js';
import type { PoolKey } from './secret-box.js';

const INFO = exactBytes(Buffer.from('rahat/1/run-secrets'));
const ENCAPSULATED_BYTES = 32;

/** The pool's key pair, from its file (RFC 9180 DeriveKeyPair over the file's 32 bytes); made on first use. */
export async function openPoolKey(path: string): Promise<PoolKey> {
  return poolKeyFrom(await openKeyFile(path));
}

export async function poolKeyFrom(seed: Buffer): Promise<PoolKey> {
  const suite = cipherSuite();
  const pair = await suite.kem.deriveKeyPair(exactBytes(seed));
  const publicKey = Buffer.from(await suite.kem.serializePublicKey(pair.publicKey)).toString('base64');
  return {
    publicKey,
    async open(sealed, binding) {
      const bytes = Buffer.from(sealed, 'base64');
      try {
        const enc = exactBytes(bytes.subarray(0, ENCAPSULATED_BYTES));
        const recipient = await suite.createRecipientContext({ recipientKey: pair.privateKey, enc, info: INFO });
        return Buffer.from(await recipient.open(exactBytes(bytes.subarray(ENCAPSULATED_BYTES)), exactBytes(Buffer.from(binding))));
      } catch (error) {
        throw new RahatError('message_invalid', `The secrets that were sent for ${binding} do not open with this worker's key`, {
          hint: 'They were sealed for another worker pool, or for another run.',
          cause: error,
        });
      }
    },
  };
}

/** Only the pool with the private half of `publicKey` can open it, and only for the same `binding` (e.g. `run_…/1`). */
export async function sealFor(publicKey: string, plaintext: Buffer | string, binding: string): Promise<string> {
  const suite = cipherSuite();
  const recipientPublicKey = await suite.kem.deserializePublicKey(exactBytes(Buffer.from(publicKey, 'base64')));
  const sender = await suite.createSenderContext({ recipientPublicKey, info: INFO });
  const sealed = await sender.seal(exactBytes(Buffer.from(plaintext)), exactBytes(Buffer.from(binding)));
  return Buffer.concat([Buffer.from(sender.enc), Buffer.from(sealed)]).toString('base64');
}

function cipherSuite(): CipherSuite {
  return new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
}

/** HPKE takes whole ArrayBuffers; a small Buffer is a window into a shared one. */
function exactBytes(bytes: Buffer): ArrayBuffer {
  const exact = new ArrayBuffer(bytes.length);
  new Uint8Array(exact).set(bytes);
  return exact;
}
