import type { Artifact, ArtifactSource } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { z } from 'zod';

/** How a base backup lies in a backup's artifacts: one per file, besides the server's manifest and the facts that files do not carry. */
export const MANIFEST_KEY = 'backup_manifest';
export const FACTS_KEY = 'facts';
const DATA_PREFIX = 'base/';
const TABLESPACE_PREFIX = 'tablespace/';

const Attributes = z.tuple([z.number().int(), z.number().int()]).describe('mode, modification time in seconds');

export const BaseBackupFacts = z.object({
  format: z.literal('postgresql.base/1'),
  major: z.number().int(),
  systemIdentifier: z.string(),
  startPosition: z.string(),
  endPosition: z.string(),
  timeline: z.number().int(),
  segmentSize: z.number().int(),
  /** Of relation files, in bytes; absent in older backups, which nothing incremental is taken upon. */
  blockSize: z.number().int().positive().optional(),
  tablespaces: z.array(z.object({ oid: z.string().regex(/^\d+$/), location: z.string() })),
  /** By path as in the manifest. */
  folders: z.record(z.string(), Attributes),
  files: z.record(z.string(), Attributes),
  /** What a server needs to be set to, to open these files, when its configuration lies elsewhere. */
  settings: z.record(z.string(), z.string()),
});
export type BaseBackupFacts = z.infer<typeof BaseBackupFacts>;

/** The path in the data directory (`pg_tblspc/<oid>/…` for tablespaces) and the artifact key are one-to-one. */
export function keyOfPath(path: string): string {
  const tablespace = /^pg_tblspc\/(\d+)\/(.+)$/s.exec(path);
  return tablespace ? `${TABLESPACE_PREFIX}${tablespace[1]}/${tablespace[2]}` : `${DATA_PREFIX}${path}`;
}

/** Undefined for the artifacts that are no file of the server. */
export function pathOfKey(key: string): string | undefined {
  if (key.startsWith(DATA_PREFIX)) return key.slice(DATA_PREFIX.length);
  if (key.startsWith(TABLESPACE_PREFIX)) return `pg_tblspc/${key.slice(TABLESPACE_PREFIX.length)}`;
  return undefined;
}

export function findArtifact(source: ArtifactSource, key: string): Artifact {
  const artifact = source.artifacts.find((candidate) => candidate.key === key);
  if (!artifact) throw new RahatError('dump_invalid', `The backup has no "${key}"`);
  return artifact;
}

export async function readWhole(source: ArtifactSource, key: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source.read(findArtifact(source, key))) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

export async function readFacts(source: ArtifactSource): Promise<BaseBackupFacts> {
  try {
    return BaseBackupFacts.parse(JSON.parse((await readWhole(source, FACTS_KEY)).toString('utf8')));
  } catch (cause) {
    if (cause instanceof RahatError) throw cause;
    throw new RahatError('dump_invalid', 'The facts of the base backup cannot be understood', { cause });
  }
}
