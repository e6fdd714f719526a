import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RahatError } from '@rahat/contracts';
import { openRepository } from '../open-repository.js';
import type { Repository } from '../repository.js';
import { backUp, CHEAP_KDF, digests, newRepository, noise, PASSPHRASE, restore } from '../testing/builders.js';
import { MemoryStore } from '../testing/memory-store.js';
import type { KeyProvider } from './key-provider.js';
import { codeLine, type PrintedGroup } from './printed-code.js';
import type { SlotCredential } from './ways-in.js';

const CONTENT = { rows: noise(200_000), ddl: Buffer.from('create table t ()') };

/** Seals by remembering, and gives back only to the same slot. */
class RememberingProvider implements KeyProvider {
  private readonly kept = new Map<string, Buffer>();

  constructor(readonly name: string) {}

  async seal(key: Buffer, place: { repository: string; slot: string }): Promise<string> {
    this.kept.set(JSON.stringify(place), key);
    return 'sealed elsewhere';
  }

  async open(_sealed: string, place: { repository: string; slot: string }): Promise<Buffer> {
    const key = this.kept.get(JSON.stringify(place));
    if (!key) throw new RahatError('forbidden', 'This key was never sealed here.');
    return key;
  }
}

let store: MemoryStore;
let repository: Repository;
const open = (credential: SlotCredential, from: MemoryStore = store): Promise<Repository> => openRepository(from, credential);
const passphrase = (text: string): SlotCredential => ({ type: 'passphrase', passphrase: text });
const onlySlot = async (): Promise<string> => (await repository.keys.list())[0]!.id;
const textOf = (id: string): string => store.files.get(`keys/${id}`)!.bytes.toString();
const putText = (id: string, text: string): void =>
  void store.files.set(`keys/${id}`, { bytes: Buffer.from(text), modifiedAt: new Date() });

async function addRecovery(): Promise<{ id: string; key: PrintedGroup[] }> {
  const { id, handout } = await repository.keys.add({ type: 'recovery', label: 'safe' });
  if (handout.type !== 'recovery') throw new Error('no recovery key was handed out');
  return { id, key: handout.key };
}

async function addShares(threshold: number, count: number): Promise<{ id: string; shares: string[] }> {
  const { id, handout } = await repository.keys.add({ type: 'shares', label: 'board', threshold, count });
  if (handout.type !== 'shares') throw new Error('no shares were handed out');
  return { id, shares: handout.shares.map(codeLine) };
}

/** The text of a slot with other fields, its checksum made right again: as a forger with access to the storage would. */
function forged(id: string, change: (text: string) => string): string {
  const { wrapped } = JSON.parse(textOf(id)) as { wrapped: string };
  const text = textOf(id);
  const head = `${change(text.slice(0, text.indexOf(',"wrapped":')))}}`;
  const checksum = createHash('sha256').update(head).update(wrapped).digest('hex');
  return `${head.slice(0, -1)},"wrapped":"${wrapped}","checksum":"${checksum}"}`;
}

beforeEach(async () => {
  store = new MemoryStore();
  repository = await newRepository(store);
  await backUp(repository, 'backup_1', CONTENT);
});

describe('the ways into a repository', () => {
  it('are a passphrase, a recovery key, k of n shares and a key provider, each giving back the data alone', async () => {
    const provider = new RememberingProvider('platform');
    const { key } = await addRecovery();
    const { shares } = await addShares(3, 5);
    await repository.keys.add({ type: 'sealed', label: 'server', provider });
    for (const credential of [
      passphrase(PASSPHRASE),
      { type: 'recovery', recoveryKey: codeLine(key) },
      { type: 'shares', shares: [shares[4]!, shares[0]!, shares[2]!] },
      { type: 'sealed', provider },
    ] as const) {
      expect(digests(await restore(await open(credential), 'backup_1'))).toEqual(digests(CONTENT));
    }
    expect(
      (await repository.keys.list()).map((slot) => slot.state === 'whole' && [slot.type, slot.label, slot.needs, slot.heldByPerson]),
    ).toEqual(
      expect.arrayContaining([
        ['passphrase', 'passphrase', 'the passphrase', true],
        ['recovery', 'safe', 'the recovery key', true],
        ['shares', 'board', '3 of 5 shares', true],
        ['sealed', 'server', 'the key provider "platform"', false],
      ]),
    );
    expect(await repository.check({ level: 'deep' })).toMatchObject({ healthy: true, problems: [] });
  });

  it('change without a byte of data being written again, and the old passphrase is out at once', async () => {
    const before = store.names('').filter((name) => !name.startsWith('keys/'));
    store.calls = [];
    await repository.keys.replace(await onlySlot(), { type: 'passphrase', label: 'new', passphrase: 'another şifre', cost: CHEAP_KDF });
    expect(store.calls.filter((call) => /^(put|remove) (?!keys)/.test(call))).toEqual([]);
    expect(store.names('').filter((name) => !name.startsWith('keys/'))).toEqual(before);
    await expect(open(passphrase(PASSPHRASE))).rejects.toMatchObject({ code: 'repository_wrong_passphrase' });
    expect(digests(await restore(await open(passphrase('another şifre'.normalize('NFD'))), 'backup_1'))).toEqual(digests(CONTENT));
  });

  it('keep the last one that a person holds, also where a machine has one', async () => {
    const id = await onlySlot();
    const provider = new RememberingProvider('platform');
    await repository.keys.add({ type: 'sealed', label: 'server', provider });
    await expect(repository.keys.remove(id)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('person') });
    await expect(repository.keys.replace(id, { type: 'sealed', label: 'x', provider })).rejects.toMatchObject({ code: 'conflict' });
    expect(await repository.keys.list()).toHaveLength(2);
    await open(passphrase(PASSPHRASE));

    const recovery = await addRecovery();
    putText(recovery.id, textOf(recovery.id).slice(0, -10));
    await expect(repository.keys.remove(id)).rejects.toMatchObject({ code: 'conflict' });
    await repository.keys.remove(recovery.id);
    await expect(repository.keys.remove(recovery.id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(repository.keys.remove('../config')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('leave one when two people remove different ones at the same moment', async () => {
    const first = await onlySlot();
    const { id: second } = await addRecovery();
    const outcomes = await Promise.allSettled([repository.keys.remove(first), repository.keys.remove(second)]);
    expect(outcomes.some(({ status }) => status === 'rejected')).toBe(true);
    expect(store.names('keys/').length).toBeGreaterThan(0);
  });

  it('hand out no key for a slot that the storage did not keep', async () => {
    store.onCall = (operation, name) => {
      if (operation === 'get' && name.startsWith('keys/'))
        putText(name.slice(5), textOf(name.slice(5)).replace('"recovery"', '"recavery"'));
    };
    await expect(repository.keys.add({ type: 'recovery', label: 'safe' })).rejects.toMatchObject({ code: 'repository_damaged' });
    store.onCall = () => undefined;
    expect(await repository.keys.list()).toHaveLength(1);
  });

  it('survive a failure of each single call of the storage: the old way or the new one opens', async () => {
    for (let failing = 0; ; failing++) {
      store = new MemoryStore();
      repository = await newRepository(store);
      let call = 0;
      store.onCall = () => {
        if (call++ === failing) throw new RahatError('storage_unreachable', 'gone');
      };
      const replaced = repository.keys.replace(await onlySlotQuietly(), {
        type: 'passphrase',
        label: 'b',
        passphrase: 'b',
        cost: CHEAP_KDF,
      });
      const failed = await replaced.then(
        () => false,
        () => true,
      );
      store.onCall = () => undefined;
      const opened = await Promise.allSettled([open(passphrase(PASSPHRASE)), open(passphrase('b'))]);
      expect(opened.some(({ status }) => status === 'fulfilled')).toBe(true);
      if (!failed) break;
      expect(failing).toBeLessThan(40);
    }
  });

  it('say of a slot whether a key opens just that one', async () => {
    const id = await onlySlot();
    const { id: safe, key } = await addRecovery();
    await repository.keys.verify(id, passphrase(PASSPHRASE));
    await repository.keys.verify(safe, { type: 'recovery', recoveryKey: codeLine(key) });
    await expect(repository.keys.verify(safe, passphrase(PASSPHRASE))).rejects.toMatchObject({ code: 'repository_wrong_key' });
    await expect(repository.keys.verify(id, passphrase('other'))).rejects.toMatchObject({ code: 'repository_wrong_key' });
  });

  it('refuse shares that make no sense', async () => {
    for (const [threshold, count] of [
      [1, 3],
      [4, 3],
      [2, 65],
      [2.5, 4],
    ] as const) {
      await expect(repository.keys.add({ type: 'shares', label: '', threshold, count })).rejects.toMatchObject({ code: 'invalid_input' });
    }
    expect(await repository.keys.list()).toHaveLength(1);
  });
});

/** The slot's id without a call of the storage. */
async function onlySlotQuietly(): Promise<string> {
  return store.names('keys/')[0]!.slice('keys/'.length);
}

describe('opening a repository', () => {
  it('with one share too few, with the same share twice or with a wrong one fails and says which', async () => {
    const { shares } = await addShares(3, 5);
    const { shares: strange } = await addShares(3, 5);
    const failing = (given: string[]): Promise<unknown> => open({ type: 'shares', shares: given }).catch((error: unknown) => error);
    expect(await failing(shares.slice(0, 2))).toMatchObject({
      code: 'repository_wrong_key',
      message: expect.stringContaining('3 different shares of it are needed, 2 were given'),
    });
    expect(await failing([shares[0]!, shares[1]!, shares[1]!])).toMatchObject({ code: 'repository_wrong_key' });
    expect(await failing([shares[0]!, strange[0]!, shares[1]!])).toMatchObject({
      code: 'repository_wrong_key',
      message: expect.stringContaining('2 were given; not of this slot: share 2 of those given'),
    });
    const typo = shares[1]!.replace(/^./, (character) => (character === '4' ? '5' : '4'));
    expect(await failing([shares[0]!, typo, shares[2]!])).toMatchObject({
      code: 'recovery_key_mistyped',
      message: expect.stringContaining('Share 2'),
    });
    await open({ type: 'shares', shares: [...shares.slice(0, 3), strange[0]!] });
  });

  it('opens with any k of n shares', async () => {
    const { shares } = await addShares(2, 4);
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(shares, { minLength: 2 }), async (given) => {
        await open({ type: 'shares', shares: given });
      }),
      { numRuns: 12 },
    );
  });

  it('with the recovery key of another repository fails without a write', async () => {
    const other = await newRepository(new MemoryStore());
    const { handout } = await other.keys.add({ type: 'recovery', label: '' });
    const credential = { type: 'recovery', recoveryKey: handout.type === 'recovery' ? codeLine(handout.key) : '' } as const;
    await expect(open(credential)).rejects.toMatchObject({ code: 'repository_wrong_key' });
    await addRecovery();
    store.calls = [];
    await expect(open(credential)).rejects.toMatchObject({ code: 'repository_wrong_key', message: expect.stringContaining('"safe"') });
    expect(store.calls.filter((call) => /^(put|remove)/.test(call))).toEqual([]);
  });

  it('tells what each slot said when none opens', async () => {
    const second = await repository.keys.add({ type: 'passphrase', label: 'spare', passphrase: 'spare', cost: CHEAP_KDF });
    const error = (await open(passphrase('wrong')).catch((error: unknown) => error)) as RahatError;
    expect(error).toMatchObject({ code: 'repository_wrong_passphrase' });
    expect(error.message).toContain(`Keyslot ${second.id} ("spare"): the passphrase does not fit.`);
    expect(error.message).not.toContain('wrong"');
  });

  it('refuses forged costs before it spends them, and opens by the other slot', async () => {
    const id = await onlySlot();
    const { key } = await addRecovery();
    const original = textOf(id);
    for (const [field, value] of [
      ['memoryKib', 1_048_577],
      ['memoryKib', 7],
      ['passes', 17],
      ['passes', 0],
      ['parallelism', 17],
      ['parallelism', 2],
    ] as const) {
      putText(id, original);
      putText(
        id,
        forged(id, (text) => text.replace(new RegExp(`"${field}":\\d+`), `"${field}":${value}`)),
      );
      const started = performance.now();
      await expect(open(passphrase(PASSPHRASE))).rejects.toMatchObject({ code: 'repository_damaged' });
      expect(performance.now() - started).toBeLessThan(1_000);
      await open({ type: 'recovery', recoveryKey: codeLine(key) });
    }
  });

  it('refuses a cost within the bounds that is not the one the slot was sealed with', async () => {
    const id = await onlySlot();
    putText(
      id,
      forged(id, (text) => text.replace('"memoryKib":8', '"memoryKib":16')),
    );
    await expect(open(passphrase(PASSPHRASE))).rejects.toMatchObject({ code: 'repository_wrong_passphrase' });
  });

  it('lowering the number of shares that are needed opens nothing', async () => {
    const { id, shares } = await addShares(3, 5);
    putText(
      id,
      forged(id, (text) => text.replace('"threshold":3', '"threshold":2')),
    );
    await expect(open({ type: 'shares', shares: shares.slice(0, 2) })).rejects.toMatchObject({ code: 'repository_wrong_key' });
  });

  it('passes over slots of other repositories, also under a name of its own', async () => {
    const otherStore = new MemoryStore();
    await newRepository(otherStore, { passphrase: 'other' });
    const [name] = otherStore.names('keys/');
    store.files.set(name!, otherStore.files.get(name!)!);
    await expect(open(passphrase('other'))).rejects.toMatchObject({ code: 'repository_wrong_passphrase' });
    await open(passphrase(PASSPHRASE));
  });

  it('tells of a copy of a slot, because it stays a way in when the slot is removed', async () => {
    const id = await onlySlot();
    const copy = '0'.repeat(32);
    putText(copy, textOf(id));
    expect((await repository.keys.list()).find((slot) => slot.id === copy)).toMatchObject({ state: 'unusable' });
    await expect(repository.keys.remove(id)).rejects.toMatchObject({ code: 'conflict' });
    await repository.keys.remove(copy);
    await open(passphrase(PASSPHRASE));
  });

  it('finds every flipped byte and every cut of a slot', async () => {
    for (const { id } of [await addRecovery(), await addShares(2, 3), { id: await onlySlot() }]) {
      const original = store.files.get(`keys/${id}`)!.bytes;
      for (let at = 0; at < original.length; at += 3) {
        const flipped = Buffer.from(original);
        flipped[at]! ^= 1 << (at % 8);
        store.files.set(`keys/${id}`, { bytes: flipped, modifiedAt: new Date() });
        const listed = await repository.keys.list();
        // A slot whose repository field was changed has a wrong checksum too.
        expect(listed.find((slot) => slot.id === id)).toMatchObject({ state: 'unusable', error: { code: 'repository_damaged' } });
      }
      for (const length of [0, 1, original.length >> 1, original.length - 1]) {
        store.files.set(`keys/${id}`, { bytes: original.subarray(0, length), modifiedAt: new Date() });
        expect((await repository.keys.list()).find((slot) => slot.id === id)).toMatchObject({ state: 'unusable' });
      }
      store.files.set(`keys/${id}`, { bytes: original, modifiedAt: new Date() });
    }
  });

  it('passes over slots of a newer version, and reads no slot that is too large', async () => {
    const { id } = await addRecovery();
    putText(
      id,
      forged(id, (text) => text.replace('"type":"recovery"', '"type":"hologram"')),
    );
    expect((await repository.keys.list()).find((slot) => slot.id === id)).toMatchObject({ error: { code: 'repository_unsupported' } });
    await open(passphrase(PASSPHRASE));
    expect(await repository.check({ level: 'structure' })).toMatchObject({ healthy: true });
    putText('f'.repeat(32), 'x'.repeat(70_000));
    store.calls = [];
    await open(passphrase(PASSPHRASE));
    expect(store.calls).not.toContain(`get keys/${'f'.repeat(32)}`);
  });

  it('with a key provider that refuses says so', async () => {
    await repository.keys.add({ type: 'sealed', label: 'server', provider: new RememberingProvider('platform') });
    await expect(open({ type: 'sealed', provider: new RememberingProvider('platform') })).rejects.toMatchObject({
      code: 'repository_wrong_key',
      message: expect.stringContaining('never sealed here'),
    });
    await expect(open({ type: 'sealed', provider: new RememberingProvider('other') })).rejects.toMatchObject({
      code: 'repository_wrong_key',
    });
  });
});
