import { RahatError } from '@rahat/contracts';
import type { KitRepository } from './kit.js';

/** What a sheet calls its facts; by these names they are found again. */
export const FACT = { place: 'Lies at', id: 'Repository id' } as const;

/** The repository that the texts of kits are of; undefined where none of them is a kit but only a key. Throws `invalid_input`. */
export function readKitRepository(texts: readonly string[]): Pick<KitRepository, 'id' | 'place'> | undefined {
  const found = texts.flatMap((text) => {
    const [place, id] = [factIn(text, FACT.place), factIn(text, FACT.id)];
    return place !== undefined && id !== undefined ? [{ place, id }] : [];
  });
  const [first, ...others] = found;
  if (first && others.some(({ id, place }) => id !== first.id || place !== first.place))
    throw new RahatError('invalid_input', 'The kits are of different repositories, or say that it lies at different places.', {
      hint: 'Give kits of one repository, and where it lies with --path.',
    });
  return first;
}

/** Only before the key: what follows are instructions. */
function factIn(text: string, name: string): string | undefined {
  const [head] = text.split('------ BEGIN ');
  return new RegExp(`^${name} {2,}(\\S.*?)\\r?$`, 'm').exec(head!)?.[1];
}
