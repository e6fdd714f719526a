import { RahatError } from '@rahat/contracts';
import { readCode, type PrintedGroup } from '@rahat/repository';

/** What opens a repository and stands on paper: each key as somebody typed it, scanned it or saved it. */
export type PrintedKeys = { type: 'recovery'; recoveryKey: string } | { type: 'shares'; shares: string[] };

type Kind = Parameters<typeof readCode>[0];
const NAMES: Record<Kind, string> = { 'recovery-key': 'RECOVERY KEY', 'key-share': 'SHARE' };
const BLOCK = /^-+ BEGIN (RECOVERY KEY|SHARE) -+$([^]*?)^-+ END \1 -+$/gm;
/** Halfway between the 72 characters of a recovery key and the 80 of a share: says which of the two a mistyped one was meant to be. */
const FEWEST_CHARACTERS_OF_SHARE = 76;

/** The lines of a kit's text that hold its key; `readPrintedKeys` finds them there. */
export function keyBlock(kind: Kind, groups: PrintedGroup[]): string {
  const lines = groups.map(({ characters, checkWord }, group) => `  ${String(group + 1).padStart(2)}.  ${characters}  (${checkWord})`);
  return [`------ BEGIN ${NAMES[kind]} ------`, ...lines, `------ END ${NAMES[kind]} ------`].join('\n');
}

/**
 * The keys in some texts: whole kits, or a key alone in each. Throws `recovery_key_mistyped` with the numbers of the wrong groups,
 * or `invalid_input` where the texts don't make one way in; never quotes them.
 */
export function readPrintedKeys(texts: readonly string[]): PrintedKeys {
  const codes = texts.flatMap(codesIn);
  const shares = codes.filter(({ kind }) => kind === 'key-share').map(({ code }) => code);
  const recoveryKeys = [...new Set(codes.filter(({ kind }) => kind === 'recovery-key').map(({ code }) => code))];
  if (shares.length > 0 && recoveryKeys.length > 0)
    throw new RahatError('invalid_input', 'A recovery key and shares were given together.', { hint: 'Give the one or the others.' });
  if (shares.length > 0) return { type: 'shares', shares };
  if (recoveryKeys.length > 1) throw new RahatError('invalid_input', `${recoveryKeys.length} different recovery keys were given.`);
  const [recoveryKey] = recoveryKeys;
  if (recoveryKey === undefined) throw new RahatError('invalid_input', 'No recovery key and no share was given.');
  return { type: 'recovery', recoveryKey };
}

function codesIn(text: string): { kind: Kind; code: string }[] {
  const plain = text.replaceAll('\r\n', '\n');
  const blocks = [...plain.matchAll(BLOCK)].map(([, name, code]) => ({ kind: kindNamed(name!), code: code! }));
  if (blocks.length > 0) return blocks;
  return plain.trim() === '' ? [] : [{ kind: kindOf(plain), code: plain }];
}

function kindNamed(name: string): Kind {
  return name === NAMES['key-share'] ? 'key-share' : 'recovery-key';
}

/** By what it reads as; for one with a mistake by its length, so that the mistake is told of the right kind. */
function kindOf(code: string): Kind {
  for (const kind of ['recovery-key', 'key-share'] as const) if (reads(kind, code)) return kind;
  const characters = code.replace(/\([^)]*\)|^\s*\d{1,2}[.)]\s|[^\p{L}\p{N}]/gmu, '');
  return characters.length < FEWEST_CHARACTERS_OF_SHARE ? 'recovery-key' : 'key-share';
}

function reads(kind: Kind, code: string): boolean {
  try {
    readCode(kind, code);
    return true;
  } catch {
    return false;
  }
}
