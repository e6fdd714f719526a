import type { OpenAPIObject } from '@nestjs/swagger';
import { RahatError } from '@rahat/contracts';

/** One document of several services' own, as if one application had all their routes. */
export function mergeApiDocuments(documents: readonly OpenAPIObject[], title: string, version: string): OpenAPIObject {
  const [first] = documents;
  if (!first) throw new RahatError('internal', 'There is no API to describe');
  return {
    ...first,
    info: { ...first.info, title, version },
    tags: documents.flatMap(({ tags }) => tags ?? []),
    paths: union(documents.map(({ paths }) => paths)),
    components: { ...first.components, schemas: union(documents.map(({ components }) => components?.schemas ?? {})) },
  };
}

/** Sorted by name. What two services have under one name is one thing, and therefore the same. */
function union<T>(parts: readonly Record<string, T>[]): Record<string, T> {
  const all = new Map<string, T>();
  for (const [name, value] of parts.flatMap((part) => Object.entries(part))) {
    const known = all.get(name);
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(value))
      throw new RahatError('internal', `Two services describe ${name} differently`, { hint: 'Run the same version of all services.' });
    all.set(name, value);
  }
  return Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
}
