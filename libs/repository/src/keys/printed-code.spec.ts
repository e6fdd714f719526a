import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { codeLine, printCode, readCode, type PrintedGroup } from './printed-code.js';

const KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
const printed = printCode('recovery-key', KEY);
const sheet = (groups: PrintedGroup[]): string =>
  groups.map(({ characters, checkWord }, i) => `${i + 1}. ${characters} (${checkWord})`).join('\n');
const withGroup = (group: number, change: (characters: string) => string): string =>
  codeLine(printed.map((entry, i) => (i === group - 1 ? { ...entry, characters: change(entry.characters) } : entry)));
const reading =
  (typed: string): (() => Buffer) =>
  () =>
    readCode('recovery-key', typed);

describe('a printed key', () => {
  it('comes back from any key, as a line and as a sheet with numbers and check words', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const groups = printCode('recovery-key', Buffer.from(bytes));
        for (const typed of [codeLine(groups), sheet(groups)]) expect(readCode('recovery-key', typed)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('is read in any case, with other separators, and with letters that look like digits', () => {
    const line = codeLine(printed);
    for (const typed of [
      line.toLowerCase(),
      line.replace(/[- ]/g, ''),
      line.replaceAll('-', ' – '),
      `\n ${line.replaceAll(' ', '\n')}\n`,
      line.replaceAll('0', 'O').replaceAll('1', 'l'),
      line.replaceAll('0', 'o').replaceAll('1', 'ı'),
      line.replaceAll('1', 'İ'),
    ]) {
      expect(readCode('recovery-key', typed)).toEqual(KEY);
    }
  });

  it('names the group in which one character is wrong, and quotes nothing of it', () => {
    let found = 0;
    const tries = printed.flatMap((_, i) => ['0', '7', 'Z', 'U'].map((character) => ({ group: i + 1, character })));
    for (const { group, character } of tries) {
      const typed = withGroup(group, (characters) =>
        characters.startsWith(character) ? `Y${characters.slice(1)}` : character + characters.slice(1),
      );
      expect(reading(typed)).toThrow(expect.objectContaining({ code: 'recovery_key_mistyped' }));
      const message = messageOf(reading(typed));
      expect(message).not.toContain(printed[group - 1]!.characters.slice(1));
      if (message.includes(`group ${group} has a typing mistake`)) found++;
    }
    // One in 256 passes its group's own 8 bits and is caught by the whole's 32.
    expect(found).toBeGreaterThan(tries.length - 3);
  });

  it('names exchanged groups, a wrong check word, a group that is too short, and a missing one', () => {
    const exchanged = printed.map((group, i) => (i === 1 ? printed[2]! : i === 2 ? printed[1]! : group));
    expect(messageOf(reading(codeLine(exchanged)))).toContain('groups 2, 3');
    expect(messageOf(reading(sheet(printed).replace(printed[4]!.checkWord, 'babab')))).toContain('group 5');
    expect(messageOf(reading(withGroup(6, (characters) => characters.slice(0, -1))))).toContain('group 6');
    expect(messageOf(reading(codeLine(printed.slice(0, -1))))).toContain('9 groups');
    expect(messageOf(reading(''))).toContain('9 groups');
  });

  it('does not take a share for a key', () => {
    const share = printCode('key-share', Buffer.concat([Buffer.alloc(4, 7), KEY]));
    expect(reading(codeLine(share))).toThrow(/9 groups/);
    expect(reading(codeLine(share.slice(0, 9)))).toThrow(expect.objectContaining({ code: 'recovery_key_mistyped' }));
  });
});

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
}
