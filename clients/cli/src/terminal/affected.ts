import { visible } from './format.js';

const MOST_OBJECTS_SHOWN = 5;

/** A line for each snapshot, with some of the objects that can't be restored. */
export function affectedLines(affected: { snapshot: string; objects: string[] }[]): string[] {
  return affected.map(({ snapshot, objects }) => {
    const more = objects.length > MOST_OBJECTS_SHOWN ? ` and ${objects.length - MOST_OBJECTS_SHOWN} more` : '';
    return `    ${snapshot}: ${objects.slice(0, MOST_OBJECTS_SHOWN).map(visible).join(', ')}${more}`;
  });
}
