import { RahatError } from '@rahat/contracts';

/** A tag of the same key takes the place of the one before. */
export function changedTags(before: readonly string[], add: readonly string[], remove: readonly string[]): string[] {
  const keyOf = (tag: string) => tag.split('=', 1)[0]!;
  const added = new Set(add.map(keyOf));
  return [...before.filter((tag) => !remove.includes(tag) && !remove.includes(keyOf(tag)) && !added.has(keyOf(tag))), ...add];
}

export function nothingToChange(): RahatError {
  return new RahatError('invalid_input', 'Nothing to change was named.', { hint: 'See --help of this command.' });
}
