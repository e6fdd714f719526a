import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';
import { hpkeOpen, hpkeSeal } from './hpke.js';

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const info = Buffer.from('rahat/1/pack of a repository');
const message = Buffer.from('a pack key of thirty-two bytes!!');
const plain = (bytes: Buffer): ArrayBuffer => Uint8Array.from(bytes).buffer;

describe('HPKE of pack keys', () => {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const rawPublic = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const rawPrivate = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);

  it('is opened by another implementation', async () => {
    const sealed = hpkeSeal(publicKey, info, message);
    const recipientKey = await suite.kem.importKey('raw', plain(rawPrivate), false);
    const recipient = await suite.createRecipientContext({ recipientKey, enc: plain(sealed.subarray(0, 32)), info: plain(info) });
    expect(Buffer.from(await recipient.open(plain(sealed.subarray(32))))).toEqual(message);
  });

  it('opens what another implementation sealed', async () => {
    const sender = await suite.createSenderContext({
      recipientPublicKey: await suite.kem.importKey('raw', plain(rawPublic), true),
      info: plain(info),
    });
    const sealed = Buffer.concat([Buffer.from(sender.enc), Buffer.from(await sender.seal(plain(message)))]);
    expect(hpkeOpen(privateKey, info, sealed)).toEqual(message);
  });

  it('refuses changed bytes, another key and another purpose', () => {
    const sealed = hpkeSeal(publicKey, info, message);
    for (let at = 0; at < sealed.length; at += 7) {
      const changed = Buffer.from(sealed);
      changed[at]! ^= 1;
      expect(() => hpkeOpen(privateKey, info, changed)).toThrow();
    }
    expect(() => hpkeOpen(generateKeyPairSync('x25519').privateKey, info, sealed)).toThrow();
    expect(() => hpkeOpen(privateKey, Buffer.from('another'), sealed)).toThrow();
  });
});
