import type { Artifact, ArtifactSource } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { type BackupManifest, parseBackupManifest } from './backup-manifest.js';
import { type BaseBackupFacts, keyOfPath, MANIFEST_KEY, pathOfKey, readFacts, readWhole } from './base-backup-layout.js';

export const LABEL_PATH = 'backup_label';

/** One backup of those that a restore is made of. */
export interface BackupLink {
  source: ArtifactSource;
  facts: BaseBackupFacts;
  manifest: BackupManifest;
  /** By path as in the manifest. */
  files: ReadonlyMap<string, Artifact>;
  /** How messages call it. */
  name: string;
}

/** The newest first; of more than one, each is taken upon the next, and the last is a full one. */
export type BackupChain = readonly [BackupLink, ...BackupLink[]];

/** Follows a backup down to the full one that it rests upon. Throws `dump_invalid` where a link is not the one that the server took it for. */
export async function readChain(source: ArtifactSource): Promise<BackupChain> {
  const newest = await readLink(source, 'the backup');
  const links: [BackupLink, ...BackupLink[]] = [newest];
  for (let child = newest; ;) {
    const upon = await takenUpon(child);
    if (upon === undefined) return links;
    if (!child.source.parent)
      throw new RahatError('dump_invalid', `${upperFirst(child.name)} is an incremental one, and what it was taken upon is not there`);
    const parent = await readLink(
      child.source.parent,
      `the backup of ${child.source.parent.facts.consistentAt}, which it is restored upon`,
    );
    const { systemIdentifier, startPosition, timeline, blockSize } = parent.facts;
    if (systemIdentifier !== child.facts.systemIdentifier || blockSize !== child.facts.blockSize)
      throw new RahatError('dump_invalid', `${upperFirst(parent.name)}, is of another server than ${child.name}`);
    if (upon.position !== startPosition || upon.timeline !== timeline)
      throw new RahatError(
        'dump_invalid',
        `${upperFirst(child.name)} was taken upon one that began at ${upon.position} of timeline ${upon.timeline}; ${parent.name}, began at ${startPosition} of timeline ${timeline}`,
      );
    links.push(parent);
    child = parent;
  }
}

/** The file's artifact, where it is what the server sent. Throws `restore_mismatch` otherwise, and says of which link. */
export function provenFile(link: BackupLink, path: string): Artifact | undefined {
  const artifact = link.files.get(path);
  const expected = link.manifest.files.get(path);
  if (!artifact || !expected) return undefined;
  if (artifact.sha256 === expected.sha256 && artifact.sizeBytes === expected.sizeBytes) return artifact;
  throw new RahatError('restore_mismatch', `${path} of ${link.name} differs from what the server sent`, {
    hint: 'Nothing was put in place. Run a check of the repository, and restore from another copy or backup.',
  });
}

/** Reads a file of a link to its end; what is wrong with it is told of the link. */
export async function* readOfLink(link: BackupLink, artifact: Artifact): AsyncGenerator<Buffer> {
  try {
    yield* link.source.read(artifact);
  } catch (error) {
    throw aboutLink(link, error);
  }
}

/** The label without what says that the backup is an incremental one: with it no server would start (pg_combinebackup does the same). */
export function labelOfWhole(label: Buffer): Buffer {
  const lines = label.toString('latin1').split('\n');
  return Buffer.from(lines.filter((line) => !line.startsWith('INCREMENTAL FROM ')).join('\n'), 'latin1');
}

async function readLink(source: ArtifactSource, name: string): Promise<BackupLink> {
  try {
    const facts = await readFacts(source);
    const manifest = parseBackupManifest(await readWhole(source, MANIFEST_KEY));
    const files = source.artifacts.flatMap((artifact): [string, Artifact][] => {
      const path = pathOfKey(artifact.key);
      return path === undefined ? [] : [[path, artifact]];
    });
    return { source, facts, manifest, files: new Map(files), name };
  } catch (error) {
    throw aboutLink({ name }, error);
  }
}

/** What the server itself wrote into the backup; undefined of a full one. */
async function takenUpon(link: BackupLink): Promise<{ position: string; timeline: number } | undefined> {
  if (!link.files.has(LABEL_PATH)) return undefined;
  const label = (await readWhole(link.source, keyOfPath(LABEL_PATH))).toString('latin1');
  const position = /^INCREMENTAL FROM LSN: (\S+)$/m.exec(label)?.[1];
  const timeline = /^INCREMENTAL FROM TLI: (\d+)$/m.exec(label)?.[1];
  return position === undefined || timeline === undefined ? undefined : { position, timeline: Number(timeline) };
}

function aboutLink({ name }: Pick<BackupLink, 'name'>, error: unknown): unknown {
  if (!(error instanceof RahatError) || name === 'the backup' || error.code === 'cancelled') return error;
  return new RahatError(error.code, `In ${name}: ${error.message}`, { hint: error.hint, retryable: error.retryable, cause: error });
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
