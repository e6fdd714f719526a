import { chmod, mkdir, open, utimes } from 'node:fs/promises';
import type { Artifact, ArtifactSource, Job } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { type BackupManifest, inManifest } from './backup-manifest.js';
import { type BaseBackupFacts, MANIFEST_KEY, pathOfKey } from './base-backup-layout.js';
import { pathBytes, staysInside } from './path-text.js';
import { cancelled } from './protocol/connection.js';
import { someAtOnce } from './some-at-once.js';

/** Where the files of tablespaces go, below the restored data directory. */
export const TABLESPACES_FOLDER = 'pg_tblspc_restored';

/** A restored server must not wake up as a standby of its source, nor recover to a target that its source was given. */
const LEFT_OUT = new Set(['standby.signal', 'recovery.signal', 'postmaster.pid', 'postmaster.opts']);
/** While one waits for the storage or the disk, others go on. */
const FILES_AT_ONCE = 4;
/** Files whose bytes are put on disk at the same time. */
const SYNCS_AT_ONCE = 8;

/** Writes a base backup's files below a folder, each compared with the server's manifest. */
export class FolderWriter {
  private readonly madeFolders = new Set<string>();
  private readonly written: { place: Buffer; path: string }[] = [];

  constructor(
    private readonly source: ArtifactSource,
    private readonly facts: BaseBackupFacts,
    private readonly manifest: BackupManifest,
    private readonly folder: string,
    private readonly job: Job,
  ) {}

  async writeAll(): Promise<number> {
    const missing = new Set(this.manifest.files.keys());
    const totalBytes = this.source.artifacts.reduce((sum, artifact) => sum + artifact.sizeBytes, 0);
    let bytes = 0;
    for (const path of Object.keys(this.facts.folders)) await this.makeFolder(this.place(path));
    await someAtOnce(this.source.artifacts, FILES_AT_ONCE, async (artifact) => {
      const path = artifact.key === MANIFEST_KEY ? MANIFEST_KEY : pathOfKey(artifact.key);
      if (path === undefined) return;
      if (this.job.signal.aborted) throw cancelled(this.job.signal);
      await this.writeFile(artifact, path);
      bytes += artifact.sizeBytes;
      missing.delete(path);
      this.job.progress({ phase: 'restore', object: path, bytes, totalBytes });
    });
    const [lacking] = missing;
    if (lacking !== undefined) throw new RahatError('dump_invalid', `The backup lacks ${lacking}, which the server's manifest names`);
    return bytes;
  }

  /** Puts all on disk and sets modes and times; last, because each file made in a folder changes its time. */
  async finish(): Promise<void> {
    await someAtOnce(this.written, SYNCS_AT_ONCE, async ({ place, path }) => {
      const [mode, modifiedAt] = this.facts.files[path] ?? [0o600, undefined];
      const file = await open(place, 'r');
      try {
        await file.chmod(mode);
        if (modifiedAt !== undefined) await file.utimes(modifiedAt, modifiedAt);
        await file.sync();
      } finally {
        await file.close();
      }
    });
    for (const [path, [mode, modifiedAt]] of Object.entries(this.facts.folders)) {
      const place = this.place(path);
      const folder = await open(place, 'r');
      await folder.sync().finally(() => folder.close());
      await chmod(place, mode);
      await utimes(place, modifiedAt, modifiedAt);
    }
  }

  private async writeFile(artifact: Artifact, path: string): Promise<void> {
    const expected = this.manifest.files.get(path) ?? artifact;
    if (expected === artifact && inManifest(path) && path !== MANIFEST_KEY) {
      throw new RahatError('dump_invalid', `The backup holds ${path}, which the server's manifest does not name`);
    }
    // What is written is compared with the artifact's hash by the source.
    if (artifact.sha256 !== expected.sha256 || artifact.sizeBytes !== expected.sizeBytes) {
      throw new RahatError('restore_mismatch', `${path} in the backup differs from what the server sent`, {
        hint: 'Nothing was put in place. Run a check of the repository, and restore from another copy or backup.',
      });
    }
    const place = this.place(path);
    await this.makeFolder(place.subarray(0, place.lastIndexOf('/')));
    if (LEFT_OUT.has(path)) return;
    const file = await open(place, 'wx', 0o600);
    try {
      await this.source.readInto(artifact, file);
    } finally {
      await file.close();
    }
    this.written.push({ place, path });
  }

  /** Where a path of the data directory lies here; a path that would lead out of the folder is refused. */
  private place(path: string): Buffer {
    const tablespace = /^pg_tblspc\/(\d+\/.+)$/s.exec(path);
    const bytes = tablespace ? Buffer.concat([Buffer.from(`${TABLESPACES_FOLDER}/`), pathBytes(tablespace[1] ?? '')]) : pathBytes(path);
    if (!staysInside(bytes)) throw new RahatError('dump_invalid', `The backup holds a path outside its data directory: ${path}`);
    return Buffer.concat([Buffer.from(`${this.folder}/`), bytes]);
  }

  private async makeFolder(place: Buffer): Promise<void> {
    const known = place.toString('hex');
    if (this.madeFolders.has(known)) return;
    await mkdir(place, { recursive: true, mode: 0o700 });
    this.madeFolders.add(known);
  }
}
