import { beforeAll, describe, expect, it } from '@jest/globals';
import { openCommonPasswords } from './common-passwords.js';
import { weaknessOf } from './password-rules.js';

const ADA = { email: 'ada.lovelace@example.org', name: 'Ada Lovelace', organizations: ['Analytical Engines', 'Çınar'] };
let isCommon: (word: string) => boolean;
beforeAll(async () => {
  isCommon = await openCommonPasswords();
});

describe('the list of common passwords', () => {
  it('knows the most used ones, and no part of one nor a piece of its own syntax', () => {
    for (const word of ['123456', 'password', 'qwerty123456', 'p@ssw0rd']) expect(isCommon(word)).toBe(true);
    for (const word of ['', '"', ',', '","', 'assword1x', 'assword","qwert', 'zzz-nobody-uses-this']) expect(isCommon(word)).toBe(false);
  });
});

describe('a password', () => {
  it.each([
    ['password1234', 'common'],
    ['Password2024!!', 'common'],
    ['P@$$w0rd2024', 'common'],
    ['123qweasdzxc', 'common'],
    ['!!dragon!!12', 'common'],
    ['Dragon-Monkey', 'common'],
    ['monkey_qwerty', 'common'],
    ['qwertyqwerty', 'repetition'],
    ['xk7xk7xk7xk7xk7', 'repetition'],
    ['password'.repeat(100), 'repetition'],
    ['abcdefghijklm', 'sequence'],
    ['aaaaaaaaaaaaaaaa', 'sequence'],
    ['987654321098', 'sequence'],
    ['ada.lovelace@example.org', 'personal'],
    ['AdaLovelace1815', 'personal'],
    ['lovelace-2024', 'common'],
    ['analyticalengines', 'personal'],
    ['RahatBackup2026', 'personal'],
    ['rahat-password', 'personal'],
  ])('%s is refused: %s', (password, weakness) => {
    expect(weaknessOf(password, ADA, isCommon)).toBe(weakness);
  });

  it.each([
    'planted-password horse battery',
    'correct horse battery staple',
    'kV3bq9Xw0mZr',
    'j4H+0sWm7/pQ2xTz8uYb',
    'uzun bir cümle, kimse bilmez',
    '48302917463820',
    'lovelace rides the night train',
    'ağaç-kavun-7-treni',
  ])('%s is taken', (password) => expect(weaknessOf(password, ADA, isCommon)).toBeUndefined());
});
