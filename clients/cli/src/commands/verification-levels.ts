import { RahatError, type VerificationLevel } from '@rahat/contracts';

const LEVELS: readonly VerificationLevel[] = ['BASIC', 'DATABASE', 'FULL'];

/** `BASIC,FULL` → levels; `none` → no levels. */
export function levels(text: string): VerificationLevel[] {
  return text.toLowerCase() === 'none' ? [] : text.split(',').map(level);
}

export function level(text: string): VerificationLevel {
  const found = LEVELS.find((name) => name === text.trim().toUpperCase());
  if (!found) throw new RahatError('invalid_input', `There is no verification level "${text}".`, { hint: `Use ${LEVELS.join(', ')}.` });
  return found;
}
