import { RahatError } from '@rahat/contracts';

/** Names or ids: the exact id, else the exact name, else a unique beginning of an id. */
export function resolve<T extends { id: string; name?: string }>(kind: string, wanted: string, items: T[]): T {
  const exact =
    items.find((item) => item.id === wanted) ??
    single(
      kind,
      wanted,
      items.filter((item) => item.name === wanted),
    );
  if (exact) return exact;
  const byPrefix = single(
    kind,
    wanted,
    items.filter((item) => item.id.startsWith(wanted)),
  );
  if (byPrefix) return byPrefix;
  const known = items.map((item) => item.name ?? item.id);
  throw new RahatError('not_found', `There is no ${kind} "${wanted}".`, {
    hint:
      known.length === 0 ? `There is no ${kind} at all yet.` : `Known: ${known.slice(0, 10).join(', ')}${known.length > 10 ? ', …' : ''}.`,
  });
}

function single<T extends { id: string }>(kind: string, wanted: string, found: T[]): T | undefined {
  if (found.length > 1) {
    throw new RahatError('conflict', `"${wanted}" means more than one ${kind}: ${found.map((item) => item.id).join(', ')}.`, {
      hint: 'Give the id.',
    });
  }
  return found[0];
}
