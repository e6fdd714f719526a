import { RahatError } from '@rahat/contracts';
import type { ArtifactSource, ObjectName } from '@rahat/connector-kit';
import { SECTION, type TocEntry } from '../logical/archive-toc.js';
import { openStoredDump } from '../logical/stored-dump.js';
import { binary } from './sql-text.js';
import { readableFrom } from './text-encoding.js';

/** Parts of an object, or said about it; they are nothing by themselves. */
const PARTS = new Set([
  'DEFAULT',
  'SEQUENCE OWNED BY',
  'CONSTRAINT',
  'CHECK CONSTRAINT',
  'FK CONSTRAINT',
  'INDEX',
  'INDEX ATTACH',
  'TABLE ATTACH',
  'TRIGGER',
  'RULE',
  'POLICY',
  'ROW SECURITY',
  'STATISTICS',
  'ACL',
  'COMMENT',
  'SECURITY LABEL',
]);
const NEVER_NAMED = new Set([...PARTS, 'TABLE DATA', 'SEQUENCE SET', 'MATERIALIZED VIEW DATA', 'STATISTICS DATA', 'DEFAULT ACL']);

/** SQL that makes an object: a table with its constraints, indexes, triggers and rights, a function in all its forms. */
export async function objectDdl(source: ArtifactSource, { schema, name }: ObjectName): Promise<string> {
  const dump = await openStoredDump(source);
  const { entries } = dump.toc;
  const named = entries.filter((entry) => entry.namespace === schema && !NEVER_NAMED.has(entry.description) && isNamed(entry, name));
  if (named.length === 0)
    throw new RahatError('not_found', `The backup holds no object ${schema}.${name}`, {
      hint: 'Browse the backup to see its objects; names are case-sensitive.',
    });
  const wanted = withParts(entries, named);
  const readable = readableFrom(dump.facts.encoding);
  const definitions = entries.filter((entry) => wanted.has(entry)).map((entry) => readable(binary(entry.definition)).trim());
  return `${definitions.filter((sql) => sql !== '').join('\n\n')}\n`;
}

/** A function's name stands in the table of contents with its arguments. */
function isNamed({ tag }: TocEntry, name: string): boolean {
  return tag === name || tag.startsWith(`${name}(`);
}

/** A constraint has parts too: a comment, an index that is attached to it. */
function withParts(entries: readonly TocEntry[], named: readonly TocEntry[]): Set<TocEntry> {
  const wanted = new Set(named);
  const ids = new Set(named.map(({ dumpId }) => dumpId));
  for (let before = -1; before !== wanted.size;) {
    before = wanted.size;
    for (const entry of entries) {
      if (wanted.has(entry) || entry.section === SECTION.data || !PARTS.has(entry.description)) continue;
      // A foreign key belongs to the table that it restricts, an attachment to the partition: to the one in whose name they stand.
      const isOfOther =
        (entry.description === 'FK CONSTRAINT' || entry.description.endsWith('ATTACH')) && !named.some((of) => standsIn(entry, of));
      if (isOfOther || !entry.dependencies.some((id) => ids.has(id))) continue;
      wanted.add(entry);
      ids.add(entry.dumpId);
    }
  }
  return wanted;
}

function standsIn(part: TocEntry, { namespace, tag }: TocEntry): boolean {
  return part.namespace === namespace && (part.tag === tag || part.tag.startsWith(`${tag} `));
}
