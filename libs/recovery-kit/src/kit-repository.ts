import { RahatError } from '@rahat/contracts';

/** What a sheet calls its facts; by these names they are found again. */
export const FACT = { place: 'Lies at', id: 'Repository id' } as const;

/**
 * The repository that the texts of kits are of; undefined where none of them is a kit but only a key. Its place is missing where
 * they don't tell it, or say different ones. Throws `invalid_input`.
 */
export function readKitRepository(texts: readonly string[]): { id: string; place?: string } | undefined {
  const valuesOf = (name: string): string[] => [...new Set(texts.flatMap((text) => factIn(text, name) ?? []))];
  const [id, ...otherIds] = valuesOf(FACT.id);
  const [place, ...otherPlaces] = valuesOf(FACT.place);
  if (otherIds.length > 0)
    throw new RahatError('invalid_input', 'The kits are of different repositories.', { hint: 'Give kits of one repository.' });
  if (id === undefined) return undefined;
  return place === undefined || otherPlaces.length > 0 ? { id } : { id, place };
}

/** Only before the key: what follows are instructions. */
function factIn(text: string, name: string): string | undefined {
  const [head] = text.split('------ BEGIN ');
  return new RegExp(`^${name} {2,}(\\S.*?)\\r?$`, 'm').exec(head!)?.[1];
}
