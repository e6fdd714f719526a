import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { KEYS_PREFIX } from '../layout.js';
import type { RepositorySecrets } from './derivation.js';
import type { Keyslot, KeyslotType } from './keyslot-file.js';
import { readKeyslot, readKeyslots, type StoredKeyslot } from './keyslot-store.js';
import { fits, newKeyslot, openKeyslot, type Handout, type NewWayIn, type SlotCredential } from './ways-in.js';

export type KeyslotListing =
  | { state: 'whole'; id: string; type: KeyslotType; label: string; heldByPerson: boolean; needs: string }
  /** Damaged, or of a type that only a newer version knows. */
  | { state: 'unusable'; id: string; error: RahatError };

export interface AddedKeyslot {
  id: string;
  /** Shown once; kept nowhere. */
  handout: Handout;
}

/** The ways into an open repository. None of the operations rewrites data, and all can be repeated after a crash. */
export interface Keyring {
  /** Hex of the repository id. */
  readonly repository: string;
  list(): Promise<KeyslotListing[]>;
  /** Stores a slot, reads it back and opens it before it says that it is there. Throws `invalid_input`. */
  add(way: NewWayIn): Promise<AddedKeyslot>;
  /** Adds the new way, then removes the slot. Throws `not_found`. */
  replace(slotId: string, way: NewWayIn): Promise<AddedKeyslot>;
  /** Throws `conflict` for the last way in that a person holds, `not_found`. */
  remove(slotId: string): Promise<void>;
  /** Throws `repository_wrong_key` where the credential doesn't open this very slot, `not_found`, `repository_damaged`. */
  verify(slotId: string, credential: SlotCredential): Promise<void>;
}

/** A sealed slot opens for a machine only: where the machine is lost, so is this way in. */
const HELD_BY_PERSON: Record<KeyslotType, boolean> = { passphrase: true, recovery: true, shares: true, sealed: false };

export class RepositoryKeyring implements Keyring {
  readonly repository: string;

  constructor(
    private readonly context: RepositoryContext,
    private readonly secrets: RepositorySecrets,
  ) {
    this.repository = context.repositoryId.toString('hex');
  }

  async list(): Promise<KeyslotListing[]> {
    return (await this.stored()).map((stored) =>
      stored.ok ? present(stored.slot) : { state: 'unusable', id: stored.id, error: stored.error },
    );
  }

  async add(way: NewWayIn): Promise<AddedKeyslot> {
    const { store, repositoryId } = this.context;
    const { id, file, handout, credential } = await newKeyslot(this.secrets, repositoryId, way);
    await store.put(`${KEYS_PREFIX}${id}`, file, { ifAbsent: store.capabilities.conditionalPut });
    return this.orTakenBack(id, async () => {
      await this.verify(id, credential);
      return { id, handout };
    });
  }

  async replace(slotId: string, way: NewWayIn): Promise<AddedKeyslot> {
    await this.sizeOf(slotId);
    if (!HELD_BY_PERSON[way.type]) await this.refuseLastWayIn(slotId);
    const added = await this.add(way);
    try {
      await this.remove(slotId);
    } catch (error) {
      // It took effect, and only its answer was lost.
      if (!(await this.context.store.stat(`${KEYS_PREFIX}${slotId}`))) return added;
      // A removal may still take effect: what is taken back then must not have been the last way in.
      const isKnown = added.handout.type === 'none';
      if (!isKnown || (await this.opensWithout(slotId, added.id))) await this.context.store.remove(`${KEYS_PREFIX}${added.id}`);
      throw error;
    }
    return added;
  }

  async remove(slotId: string): Promise<void> {
    await this.sizeOf(slotId);
    const name = `${KEYS_PREFIX}${slotId}`;
    const file = await this.context.store.get(name);
    await this.refuseLastWayIn(slotId);
    await this.context.store.remove(name);
    try {
      // Another one may have removed the other slot in the meantime, having seen this one.
      await this.refuseLastWayIn(slotId);
    } catch (error) {
      await this.context.store.put(name, file);
      throw error;
    }
  }

  async verify(slotId: string, credential: SlotCredential): Promise<void> {
    const slot = await readKeyslot(this.context.store, slotId, await this.sizeOf(slotId));
    const attempt = fits(slot, credential) ? await openKeyslot(slot, credential) : { reason: `it is of type ${slot.type}` };
    if (!attempt.opened) throw new RahatError('repository_wrong_key', `Keyslot ${slotId} does not open: ${attempt.reason}.`);
    const { masterKey, identitySecret } = attempt.opened;
    if (masterKey.equals(this.secrets.masterKey) && identitySecret.equals(this.secrets.identitySecret)) return;
    throw new RahatError('repository_damaged', `Keyslot ${slotId} opens, but holds the secrets of another repository.`);
  }

  /** A slot whose key nobody was shown must not look like a way in that a person holds. */
  private async orTakenBack<T>(added: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.context.store.remove(`${KEYS_PREFIX}${added}`).catch(() => undefined);
      throw error;
    }
  }

  /** Whether a person holds a way in besides these. */
  private async opensWithout(...slotIds: string[]): Promise<boolean> {
    const left = (await this.stored()).filter(({ id }) => !slotIds.includes(id));
    return left.some((stored) => stored.ok && HELD_BY_PERSON[stored.slot.type]);
  }

  private async refuseLastWayIn(removed: string): Promise<void> {
    if (await this.opensWithout(removed)) return;
    throw new RahatError('conflict', `Keyslot ${removed} is the last way into the repository that a person holds; it was not removed.`, {
      hint: 'Add another passphrase, recovery key or set of shares first.',
    });
  }

  private async stored(): Promise<StoredKeyslot[]> {
    return Array.fromAsync(readKeyslots(this.context.store, this.context.repositoryId), (stored) =>
      stored.ok && stored.slot.id !== stored.id ? { ok: false, id: stored.id, error: copyOf(stored.slot) } : stored,
    );
  }

  private async sizeOf(slotId: string): Promise<number> {
    const stat = /^[0-9a-f]{32}$/.test(slotId) ? await this.context.store.stat(`${KEYS_PREFIX}${slotId}`) : undefined;
    if (!stat) throw new RahatError('not_found', `The repository has no keyslot ${JSON.stringify(slotId)}.`);
    return stat.sizeBytes;
  }
}

/** It opens, but whoever removes the slot it was copied from believes that this way in is closed. */
function copyOf(slot: Keyslot): RahatError {
  return new RahatError('repository_damaged', `The file is a copy of keyslot ${slot.id}.`, { hint: 'Remove it.' });
}

function present(slot: Keyslot): KeyslotListing {
  const { id, type, label } = slot;
  return { state: 'whole', id, type, label, heldByPerson: HELD_BY_PERSON[type], needs: needs(slot) };
}

function needs(slot: Keyslot): string {
  switch (slot.type) {
    case 'passphrase':
      return 'the passphrase';
    case 'recovery':
      return 'the recovery key';
    case 'shares':
      return `${slot.kdf.threshold} of ${slot.kdf.shares.length} shares`;
    case 'sealed':
      return `the key provider "${slot.kdf.provider}"`;
  }
}
