import { BackupLabel, BackupMethod, Consistency, Engine, Finding } from '@rahat/contracts';
import { z } from 'zod';

/** repository.md §5; cutting parameters are per object and written in its recipe. */
export const ChunkClass = z.enum(['rows', 'pages', 'log', 'small']);
export type ChunkClass = z.infer<typeof ChunkClass>;

/** What an object holds, for restore, browsing and comparison. */
export const ObjectKind = z.enum(['header', 'ddl', 'rows', 'file', 'blob', 'log', 'facts']);
export type ObjectKind = z.infer<typeof ObjectKind>;

/** What a connector says of a backup; everything that is needed to rebuild the catalog's row without the server. */
export const SnapshotFacts = z.object({
  run: z.string(),
  attempt: z.number().int().min(1),
  organization: z.string(),
  /** Whose retention the snapshot is under; absent in older ones, and without the platform. */
  plan: z.object({ id: z.string(), name: z.string() }).optional(),
  server: z.object({ id: z.string(), identity: z.string(), name: z.string(), version: z.string() }),
  database: z.object({ id: z.string().optional(), name: z.string() }).optional(),
  engine: Engine,
  method: BackupMethod,
  label: BackupLabel,
  /** Snapshot that this one is restored upon; absent = it stands alone. */
  parent: z.string().optional(),
  consistency: Consistency,
  /** Engine positions, e.g. `{"start":"0/3000028","end":"0/3000100","timeline":1}`. */
  positions: z.record(z.string(), z.union([z.string(), z.number()])),
  /** When the source's state was that of this backup. */
  consistentAt: z.iso.datetime(),
  findings: z.array(Finding),
  /** Tool and its version, e.g. `pg_dump 15.18`. */
  tool: z.string(),
  evidence: z.record(z.string(), z.unknown()),
});
export type SnapshotFacts = z.infer<typeof SnapshotFacts>;

/** Chunk list of an object: inline (up to 64 chunks), or the id of a recipe kept in a metadata pack. */
export const Recipe = z.union([
  z.object({ chunks: z.array(z.tuple([z.string(), z.number().int()])) }),
  z.object({ recipeChunks: z.array(z.tuple([z.string(), z.number().int()])), count: z.number().int() }),
]);
export type Recipe = z.infer<typeof Recipe>;

export const StoredObject = z.object({
  /** Path-like name, unique in the snapshot, e.g. `rows/public/orders`. Any Unicode, up to 1,024 bytes. */
  key: z.string(),
  kind: ObjectKind,
  order: z.number().int(),
  class: ChunkClass,
  sizeBytes: z.number().int(),
  /** Hex SHA-256 of the plaintext. */
  sha256: z.string(),
  /** Rows and their order-independent hash, where the object is a table's rows. */
  rows: z.number().int().optional(),
  rowHash: z.string().optional(),
  /** Connector's own facts of the object (table name, file mode …). */
  meta: z.record(z.string(), z.unknown()).optional(),
  recipe: Recipe,
});
export type StoredObject = z.infer<typeof StoredObject>;

export const Manifest = SnapshotFacts.extend({
  format: z.literal(1),
  snapshot: z.string(),
  repository: z.string(),
  writer: z.string(),
  productVersion: z.string(),
  createdAt: z.iso.datetime(),
  objects: z.array(StoredObject),
  sizeBytes: z.number().int(),
  /** Bytes that this snapshot added to the repository's packs. */
  addedBytes: z.number().int(),
});
export type Manifest = z.infer<typeof Manifest>;
