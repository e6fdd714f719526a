import type { ArtifactSource, BackupOutline, ObjectName, Relation } from '@rahat/connector-kit';
import type { Toc, TocEntry } from '../logical/archive-toc.js';
import { GLOBALS_KEY } from '../logical/artifact-names.js';
import { openStoredDump, type StoredDump } from '../logical/stored-dump.js';
import { binary } from './sql-text.js';
import { readTableDefinition, TableCatalog, tableNameIn } from './table-shape.js';
import { readableFrom } from './text-encoding.js';

const KINDS: Record<string, string> = {
  TABLE: 'table',
  'FOREIGN TABLE': 'foreign table',
  VIEW: 'view',
  'MATERIALIZED VIEW': 'materialized view',
  SEQUENCE: 'sequence',
};

/** What a logical backup holds, from its table of contents and its manifest alone. */
export async function outlineBackup(source: ArtifactSource): Promise<BackupOutline> {
  const dump = await openStoredDump(source);
  const { entries } = dump.toc;
  return {
    database: dump.facts.name,
    serverVersion: dump.toc.serverVersion,
    encoding: dump.facts.encoding,
    schemas: entries.filter((entry) => entry.description === 'SCHEMA').map((entry) => entry.tag),
    relations: relationsOf(dump),
    largeObjects: dump.facts.largeObjects.count,
    hasGlobals: source.artifacts.some(({ key }) => key === GLOBALS_KEY),
  };
}

function relationsOf(dump: StoredDump): Relation[] {
  const readable = readableFrom(dump.facts.encoding);
  const catalog = new TableCatalog(dump.toc);
  const dataOf = new Map(dump.toc.entries.filter((entry) => entry.description === 'TABLE DATA').map((entry) => [nameKey(entry), entry]));
  const parents = parentsOfPartitions(dump.toc);
  return dump.toc.entries.flatMap((entry): Relation[] => {
    const kind = KINDS[entry.description];
    if (kind === undefined) return [];
    const definition = binary(entry.definition);
    const sqlName = tableNameIn(definition) ?? '';
    const [rows] = dump.data.get(dataOf.get(nameKey(entry))?.dumpId ?? -1) ?? [];
    const partitioned = entry.description === 'TABLE' && readTableDefinition(definition).partitioned;
    return [
      {
        schema: entry.namespace,
        name: entry.tag,
        kind: partitioned ? 'partitioned table' : kind,
        owner: entry.owner,
        columns: catalog.columnsOf(sqlName).map(({ name }) => readable(name)),
        key: catalog.keyOf(sqlName).map(readable),
        ...(rows && { rows: rows.rows, sizeBytes: rows.sizeBytes }),
        ...(parents.has(nameKey(entry)) && { partitionOf: parents.get(nameKey(entry)) }),
      },
    ];
  });
}

/** Partition → the table that it is a part of. */
export function parentsOfPartitions(toc: Toc): Map<string, ObjectName> {
  const tables = new Map(toc.entries.filter(({ description }) => description === 'TABLE').map((entry) => [entry.dumpId, entry]));
  const parents = new Map<string, ObjectName>();
  for (const attach of toc.entries) {
    if (attach.description !== 'TABLE ATTACH') continue;
    const parent = attach.dependencies.map((id) => tables.get(id)).find((table) => table && nameKey(table) !== nameKey(attach));
    if (parent) parents.set(nameKey(attach), { schema: parent.namespace, name: parent.tag });
  }
  return parents;
}

export function nameKey({ namespace, tag }: Pick<TocEntry, 'namespace' | 'tag'>): string {
  return `${namespace}\0${tag}`;
}
