import { isDeepStrictEqual } from 'node:util';

/** Stands in a trail for a secret that was given anew; the secret itself never gets near. */
const CHANGED = '[changed]';

export interface Changes {
  before?: Record<string, unknown>;
  after?: Record<string, unknown>;
}

/**
 * What an act made of a resource, for the trail: the members that differ between its presentations before and after, all of them where it
 * came to be or ceased. `credentials` that were given are told as changed; presentations have none.
 */
export function changesBetween(before: object | undefined, after: object | undefined, credentials: Record<string, boolean> = {}): Changes {
  const [was, is] = [membersOf(before), membersOf(after)];
  const differing = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((key) => !isDeepStrictEqual(was[key], is[key]));
  const pick = (from: Record<string, unknown>) =>
    Object.fromEntries(differing.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]));
  const given = Object.entries(credentials).filter(([, changed]) => changed);
  return {
    ...(before === undefined ? {} : { before: pick(was) }),
    ...(after === undefined ? {} : { after: { ...pick(is), ...Object.fromEntries(given.map(([key]) => [key, CHANGED])) } }),
  };
}

function membersOf(value: object | undefined): Record<string, unknown> {
  return { ...value };
}
