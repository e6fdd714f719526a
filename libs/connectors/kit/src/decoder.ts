import type { Finding } from '@rahat/contracts';
import type { Artifact, ArtifactSource, ConnectorContext, Job } from './connector.js';

/** Reads, exports and compares what a backup holds, without any server (engines.md §11). Stateless. */
export interface Decoder<Connection> {
  /** Schemas, tables, rows and sizes; reads no data. */
  outline(source: ArtifactSource, job: Job): Promise<BackupOutline>;
  /** SQL that makes an object, with all that belongs to it. */
  ddl(source: ArtifactSource, object: ObjectName, job: Job): Promise<string>;
  /** Roles and tablespaces as SQL; absent where the backup could not read them. */
  globals(source: ArtifactSource): AsyncIterable<Buffer> | undefined;
  /** One table as a file. Its pieces are lent. Damage is an error, never a shorter table. */
  exportTable(source: ArtifactSource, request: TableExport, job: Job): AsyncIterable<Buffer>;
  compare(request: ComparisonRequest<Connection>, context: ConnectorContext, job: Job): Promise<Comparison>;
}

export interface ObjectName {
  schema: string;
  name: string;
}

export interface BackupOutline {
  database: string;
  serverVersion: string;
  encoding: string;
  schemas: string[];
  relations: Relation[];
  largeObjects: number;
  hasGlobals: boolean;
}

export interface Relation extends ObjectName {
  /** As the engine calls it, e.g. `table`, `partitioned table`, `view`. */
  kind: string;
  owner: string;
  columns: string[];
  /** Columns of the primary key. */
  key: string[];
  /** Of its own rows; a partitioned table's lie in its partitions. */
  rows?: number;
  sizeBytes?: number;
  partitionOf?: ObjectName;
}

export const TABLE_FORMATS = ['sql', 'csv', 'json-lines'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

export interface TableExport {
  table: ObjectName;
  format: TableFormat;
  /** CSV only: what a spreadsheet would take for a formula begins with an apostrophe. The file is then no exact copy. */
  formulaSafe?: boolean;
}

/** A part of an artifact's bytes. Equal ids mean equal bytes, in all artifacts of the same `partsOf`. */
export interface ArtifactPart {
  id: string;
  length: number;
}

export interface ByteSpan {
  offset: number;
  length: number;
}

/** A source that can tell which parts of its artifacts are those of another one, without reading them. */
export interface ComparableSource extends ArtifactSource {
  /** Sources with the same one name equal bytes equally. */
  readonly partsOf: string;
  parts(artifact: Artifact): AsyncIterable<ArtifactPart>;
  /** Some spans of an artifact, ascending and apart from each other. Each piece says where it lies; it is lent. */
  readSpans(artifact: Artifact, spans: readonly ByteSpan[]): AsyncIterable<{ offset: number; bytes: Buffer }>;
}

export interface ComparisonRequest<Connection> {
  older: ComparableSource;
  newer: ComparableSource | LiveDatabase<Connection>;
  /** Absent = all that both hold. */
  tables?: ObjectName[];
  schemaOnly?: boolean;
  /** Rows of each kind that are shown for a table. */
  samples: number;
  /** Where SQL that makes the newer into the older goes; absent = none is made. */
  undo?: { write(bytes: Buffer): Promise<void> };
  /** For rows that wait for their counterpart on disk. */
  scratchBytes?: number;
}

export interface LiveDatabase<Connection> {
  connection: Connection;
  database: string;
}

export interface Comparison {
  equal: boolean;
  schema: SchemaDifference[];
  tables: TableDifference[];
  unchangedTables: number;
  /** Values of sequences, by name. */
  sequences: { schema: string; name: string; older: string | null; newer: string | null }[];
  /** What was not compared, and what the undo leaves out. */
  findings: Finding[];
  /** What was read of the data. */
  readBytes: number;
}

export interface SchemaDifference extends ObjectName {
  /** As the engine's tools call it, e.g. `TABLE`, `FK CONSTRAINT`. */
  type: string;
  change: 'added' | 'removed' | 'changed';
  older: string | null;
  newer: string | null;
}

export interface TableDifference extends ObjectName {
  key: string[];
  /** Null where the table stands on the other side only. */
  olderRows: number | null;
  newerRows: number | null;
  inserted: number;
  deleted: number;
  changed: number;
  samples: { inserted: RowSample[]; deleted: RowSample[]; changed: ChangedRow[] };
}

export type RowSample = Record<string, string | null>;

export interface ChangedRow {
  key: RowSample;
  /** Column → its values. */
  columns: Record<string, { older: string | null; newer: string | null }>;
}
