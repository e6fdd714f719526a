import { keyBlock, openOfflineRepository, type AddedKeyslot, type KeyslotListing, type NewWayIn } from '@rahat/execution';
import { RahatError } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { askCredential } from '../terminal/ask-credential.js';
import { askNewSecret } from '../terminal/ask-secret.js';
import { table, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { existingPlace, openOffline, PASSPHRASE, type Opening } from './open-offline.js';

const NEW_PASSPHRASE = { label: 'New passphrase of the repository', variable: 'RAHAT_NEW_PASSPHRASE' };

export interface NewKeyOptions extends Opening {
  label?: string;
  shares?: string;
}

export async function listKeys(terminal: Terminal, options: Opening): Promise<void> {
  const { engine } = await openOffline(options);
  const slots = await engine.keys.list();
  const rows = slots.map((slot) =>
    slot.state === 'whole'
      ? [slot.id, slot.type, visible(slot.label), slot.needs, slot.heldByPerson ? '' : 'no person holds it']
      : [slot.id, 'UNUSABLE', visible(slot.error.message), '', ''],
  );
  terminal.result(slots.map(presentSlot), table(['KEY', 'TYPE', 'LABEL', 'OPENS WITH', ''], rows));
  if (slots.some(({ state }) => state === 'unusable')) process.exitCode = EXIT.failed;
}

export async function addKey(terminal: Terminal, type: string, options: NewKeyOptions): Promise<void> {
  refuseOddKey(type, options);
  const { engine } = await openOffline(options);
  const added = await engine.keys.add(await newWayIn(type, options));
  handOut(terminal, added, `Key ${added.id} opens the repository from now on.`);
}

export async function replaceKey(terminal: Terminal, id: string, type: string, options: NewKeyOptions): Promise<void> {
  refuseOddKey(type, options);
  const { engine } = await openOffline(options);
  const slot = await findSlot(engine.keys.list(), id);
  const label = options.label ?? (slot.state === 'whole' ? slot.label : undefined);
  const added = await engine.keys.replace(slot.id, await newWayIn(type, { ...options, label }));
  handOut(terminal, added, `Key ${added.id} takes the place of ${slot.id}, which opens nothing any more.`);
}

export async function removeKey(terminal: Terminal, id: string, options: Opening): Promise<void> {
  const { engine } = await openOffline(options);
  const slot = await findSlot(engine.keys.list(), id);
  await engine.keys.remove(slot.id);
  terminal.result(
    { id: slot.id, removed: true },
    `Key ${slot.id} opens nothing any more. Copies of the storage that were made before still open with it.`,
  );
}

/** What is given opens the repository, or the error says why not; then, which of its keys it is. */
export async function verifyKey(terminal: Terminal, id: string | undefined, options: Opening): Promise<void> {
  const credential = await askCredential(options, PASSPHRASE);
  const { engine } = await openOfflineRepository(existingPlace(options.path), credential);
  const slots = id === undefined ? await engine.keys.list() : [await findSlot(engine.keys.list(), id)];
  const verdicts = [];
  for (const slot of slots.filter((slot) => id !== undefined || (slot.state === 'whole' && slot.type === credential.type))) {
    const reason = await engine.keys.verify(slot.id, credential).then(
      () => undefined,
      (error: unknown) => RahatError.from(error).message,
    );
    verdicts.push({ id: slot.id, label: slot.state === 'whole' ? slot.label : '', opens: reason === undefined, reason });
  }
  const lines = verdicts.map(({ id, label, reason }) => `${id}  ${visible(label)}  ${reason ?? terminal.paint('green', 'opens')}`);
  terminal.result({ repository: engine.id, keys: verdicts }, lines.join('\n'));
  if (!verdicts.some(({ opens }) => opens)) process.exitCode = EXIT.authentication;
}

/** By its whole id or a beginning that only it has. */
async function findSlot(slots: Promise<KeyslotListing[]>, id: string): Promise<KeyslotListing> {
  const found = (await slots).filter((slot) => slot.id.startsWith(id));
  if (found.length === 1 && id !== '') return found[0]!;
  const hint = 'See `repository keys list`.';
  if (found.length > 1) throw new RahatError('invalid_input', `${found.length} keys begin with "${id}".`, { hint });
  throw new RahatError('not_found', `The repository has no key "${id}".`, { hint });
}

const TYPES = ['passphrase', 'recovery', 'shares'] as const;

/** Before anything is asked: nobody wants to type a passphrase first and to be refused then. */
function refuseOddKey(type: string, { shares }: NewKeyOptions): void {
  if (!TYPES.some((name) => name === type))
    throw new RahatError('invalid_input', `There is no type of key named "${type}".`, { hint: `Use ${TYPES.join(', ')}.` });
  if (type === 'shares') parseShares(shares);
  else if (shares !== undefined) throw new RahatError('invalid_input', '--shares goes with the type shares.');
}

async function newWayIn(type: string, { label, shares }: NewKeyOptions): Promise<NewWayIn> {
  if (type === 'passphrase') return { type, label: label ?? 'passphrase', passphrase: await askNewSecret(NEW_PASSPHRASE) };
  if (type === 'shares') return { type, label: label ?? 'shares', ...parseShares(shares) };
  return { type: 'recovery', label: label ?? 'recovery key' };
}

/** `3/5`: of five shares any three are needed. */
export function parseShares(text: string | undefined): { threshold: number; count: number } {
  const [, threshold, count] = /^(\d{1,2})\/(\d{1,2})$/.exec(text ?? '') ?? [];
  if (threshold !== undefined && count !== undefined) return { threshold: Number(threshold), count: Number(count) };
  throw new RahatError('invalid_input', 'How many shares, and how many of them are needed?', {
    hint: 'Give --shares 3/5 for five shares of which any three open the repository.',
  });
}

/** Shown now and never again. */
function handOut(terminal: Terminal, { id, handout }: AddedKeyslot, done: string): void {
  if (handout.type !== 'none') {
    const what =
      handout.type === 'recovery' ? 'Write this recovery key down; it is' : 'Give each of these shares to another person; they are';
    terminal.say(terminal.paint('yellow', `! ${what} shown only now:`));
  }
  const printed =
    handout.type === 'recovery'
      ? [keyBlock('recovery-key', handout.key), '']
      : handout.type === 'shares'
        ? handout.shares.flatMap((share, i) => [`Share ${i + 1} of ${handout.shares.length}:`, keyBlock('key-share', share), ''])
        : [];
  terminal.result({ id, ...handout }, [...printed, done].join('\n'));
}

function presentSlot(slot: KeyslotListing) {
  return slot.state === 'whole' ? slot : { ...slot, error: slot.error.serialize() };
}
