import { RahatError } from '@rahat/contracts';
import { openCommonPasswords } from './common-passwords.js';
import { weaknessOf, type PasswordWeakness, type PersonalWords } from './password-rules.js';

const WORDS: Record<PasswordWeakness, string> = {
  common: 'The password is one of the most used, or such a one with something added.',
  repetition: 'The password repeats itself.',
  sequence: 'The signs of the password follow from each other.',
  personal: 'The password is made of your name, your e-mail, your organization or the name of this product.',
};

/** Rejects with `password_refused` what is tried first by everyone who guesses. */
export async function demandStrongPassword(password: string, personal: PersonalWords): Promise<void> {
  const weakness = weaknessOf(password, personal, await openCommonPasswords());
  if (weakness !== undefined) throw new RahatError('password_refused', WORDS[weakness]);
}
