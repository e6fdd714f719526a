import { isDeepStrictEqual } from 'node:util';
import { DOCUMENT_KINDS, type DocumentChange, type DocumentKind } from '@rahat/contracts';

/** A document as it is compared: by names, without secrets, every default written out. */
export interface ComparedDocument {
  kind: DocumentKind;
  name: string;
  spec: Record<string, unknown>;
}

/** What stays when no document names it: what the data lies in, and the one set of rules that every organization has. */
const NEVER_PRUNED: ReadonlySet<DocumentKind> = new Set(['Scheduling', 'Storage', 'Repository']);

/**
 * What is to be done so that the organization is as the documents say: first what others refer to; deletions last, the other way round.
 * Applying the result to `current` and asking again gives nothing but `unchanged`, in whatever order the documents come.
 */
export function documentChanges(
  current: readonly ComparedDocument[],
  wanted: readonly ComparedDocument[],
  { prune }: { prune: boolean },
): DocumentChange[] {
  const known = new Map(current.map((document) => [keyOf(document), document]));
  const changes = [...wanted].sort(byKindAndName).map((document): DocumentChange => {
    const before = known.get(keyOf(document));
    const fields = before ? differing(before.spec, document.spec, '') : [];
    return { kind: document.kind, name: document.name, action: !before ? 'create' : fields.length > 0 ? 'update' : 'unchanged', fields };
  });
  const named = new Set(wanted.map(keyOf));
  const unnamed = prune ? current.filter((document) => !named.has(keyOf(document)) && !NEVER_PRUNED.has(document.kind)) : [];
  const deletions = unnamed
    .sort((a, b) => byKindAndName(b, a))
    .map(({ kind, name }): DocumentChange => ({ kind, name, action: 'delete', fields: [] }));
  return [...changes, ...deletions];
}

export function keyOf({ kind, name }: Pick<ComparedDocument, 'kind' | 'name'>): string {
  return `${kind} ${kind === 'Scheduling' ? '' : name.toLowerCase()}`;
}

function byKindAndName(a: ComparedDocument, b: ComparedDocument): number {
  return DOCUMENT_KINDS.indexOf(a.kind) - DOCUMENT_KINDS.indexOf(b.kind) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** Objects are compared member by member, everything else as a whole. */
function differing(before: unknown, after: unknown, path: string): DocumentChange['fields'] {
  if (isDeepStrictEqual(before, after)) return [];
  if (!isObject(before) || !isObject(after)) return [{ path, before: before ?? null, after: after ?? null }];
  const members = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return members.flatMap((member) => differing(before[member], after[member], path === '' ? member : `${path}.${member}`));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
