import { hkdfSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';
import type { RunSecrets } from '@rahat/contracts';
import { openOfflineRepository } from '@rahat/execution';
import { openBlobStore } from '@rahat/blob-store-registry';
import { openRepository } from '@rahat/repository';
import { installGate, type Gate } from './gate.js';
import { backUp, filesOf, protect, startBackup, untilEnded, untilPacksGrow, type Protection } from './protection.js';
import { stealRunSecrets } from './stolen-worker.js';
import { shapes, STANDALONE } from './shapes.js';
import { fillWithNoise, openWorld, type World } from './world.js';

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const exact = (bytes: Buffer): ArrayBuffer => Uint8Array.from(bytes).buffer;

/** By the document alone (docs/REPOSITORY_FORMAT.md §7): whether the private key opens the key of a data pack. */
async function opensPack(privateKey: Buffer, pack: Buffer): Promise<boolean> {
  const [repository, wrapped] = [pack.subarray(9, 25), pack.subarray(25, 105)];
  const info = exact(Buffer.concat([Buffer.from('rahat/1/pack'), repository]));
  const recipientKey = await suite.kem.importKey('raw', exact(privateKey), false);
  const recipient = await suite.createRecipientContext({ recipientKey, enc: exact(wrapped.subarray(0, 32)), info });
  return recipient.open(exact(wrapped.subarray(32))).then(
    () => true,
    () => false,
  );
}

const derived = (secret: Buffer): Buffer => Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), 'rahat/1/pack-private', 32));

describe.each(shapes(STANDALONE))('a worker that is taken over during a backup ($form, $queues)', (shape) => {
  let world: World;
  let gate: Gate;
  let protection: Protection;
  let stolen: RunSecrets;
  let earlier: Buffer[];

  beforeAll(async () => {
    world = await openWorld([], shape);
    gate = await installGate(world);
    await fillWithNoise(world, 5);
    protection = await protect(world);
    expect(await backUp(world, protection)).toMatchObject({ state: 'succeeded' });
    earlier = await dataPacks();
    await fillWithNoise(world, 100);
    gate.closeAfter(90e6);
    const run = await startBackup(world, protection);
    await untilPacksGrow(protection, (await filesOf(protection, 'packs')).length);
    ({ secrets: stolen } = await stealRunSecrets(world, run));
    gate.open();
    expect(await untilEnded(world, run)).toMatchObject({ state: 'succeeded' });
  }, 240_000);
  afterAll(async () => {
    await gate[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  async function dataPacks(): Promise<Buffer[]> {
    const packs = await Promise.all((await filesOf(protection, 'packs')).map((file) => readFile(file)));
    return packs.filter((pack) => pack[8] === 1);
  }

  function grant() {
    const [repository] = stolen.repositories;
    if (stolen.repositories.length !== 1 || repository?.credential.power !== 'write-only')
      throw new Error('the worker got more than it needs');
    return { ...repository, writeOnly: repository.credential.writeOnly };
  }

  it('held a credential that writes into that one repository', async () => {
    const { storage, prefix, writeOnly } = grant();
    const repository = await openRepository(await openBlobStore(storage, prefix), { type: 'write-only', credential: writeOnly });
    await using session = await repository.beginWriting({ writer: 'thief' });
    expect(session.progress().addedBytes).toBe(0);
    expect(JSON.parse(await readFile(path.join(protection.folder, 'rahat.json'), 'utf8'))).toMatchObject({ id: repository.id });
  });

  it('opens no data frame, of an earlier backup or of its own, with anything it was sent', async () => {
    const { writeOnly } = grant();
    const keys = [writeOnly.identitySecret, writeOnly.metadataKey, writeOnly.packPublicKey].map((key) => Buffer.from(key, 'base64'));
    const { masterKey, identitySecret } = (
      await openOfflineRepository(protection.folder, { type: 'passphrase', passphrase: protection.passphrase })
    ).engine.exportSecrets();
    expect(keys[0]!.equals(identitySecret)).toBe(true);
    expect(JSON.stringify(stolen)).not.toContain(masterKey.toString('base64'));
    expect(earlier.length).toBeGreaterThan(0);
    for (const pack of [...earlier, ...(await dataPacks())]) {
      for (const key of [...keys, ...keys.map(derived)]) expect(await opensPack(key, pack)).toBe(false);
      // The owner's key opens each, so it isn't this test that can't open anything.
      expect(await opensPack(derived(masterKey), pack)).toBe(true);
    }
  });
});
