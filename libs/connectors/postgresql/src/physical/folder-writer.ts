import { createHash } from 'node:crypto';
import { chmod, type FileHandle, mkdir, open, utimes, writeFile } from 'node:fs/promises';
import type { Artifact, Job } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { type BackupChain, LABEL_PATH, labelOfWhole, provenFile } from './backup-chain.js';
import { inManifest, type ManifestFile } from './backup-manifest.js';
import { MANIFEST_KEY, pathOfKey, readWhole } from './base-backup-layout.js';
import { combineFile } from './combine-file.js';
import { wholePath } from './incremental-file.js';
import { pathBytes, staysInside } from './path-text.js';
import { cancelled } from './protocol/connection.js';
import { someAtOnce } from './some-at-once.js';
import { SyncedFiles } from './synced-files.js';
import { writeBackupManifest } from './write-manifest.js';

/** Where the files of tablespaces go, below the restored data directory. */
export const TABLESPACES_FOLDER = 'pg_tblspc_restored';

/** A restored server must not wake up as a standby of its source, nor recover to a target that its source was given. */
const LEFT_OUT = new Set(['standby.signal', 'recovery.signal', 'postmaster.pid', 'postmaster.opts']);
/** While one waits for the storage or the disk, others go on. */
const FILES_AT_ONCE = 4;
/** Of nearly all files of a data directory. */
const FILE_MODE = 0o600;

/**
 * Writes a base backup's files below a folder, each compared with the server's manifest. Of an incremental one, what stands there is whole,
 * with a manifest of its own.
 */
export class FolderWriter {
  private readonly madeFolders = new Set<string>();
  /** What was made here and sent by no server, by path. */
  private readonly made = new Map<string, ManifestFile>();

  constructor(
    private readonly chain: BackupChain,
    private readonly folder: string,
    private readonly job: Job,
    /** Absent: nothing is put on disk, and modes and times are those of now. */
    private readonly synced: SyncedFiles | undefined,
  ) {}

  async writeAll(): Promise<number> {
    try {
      return await this.writeFiles();
    } finally {
      // After a failure its own counts; the files are closed either way.
      await this.synced?.settled().catch(() => undefined);
    }
  }

  private async writeFiles(): Promise<number> {
    const [{ source, facts, manifest }] = this.chain;
    const missing = new Set(manifest.files.keys());
    const totalBytes = this.chain.at(-1)!.source.artifacts.reduce((sum, artifact) => sum + artifact.sizeBytes, 0);
    let bytes = 0;
    for (const path of Object.keys(facts.folders)) await this.makeFolder(this.place(path));
    await someAtOnce(source.artifacts, FILES_AT_ONCE, async (artifact) => {
      const path = artifact.key === MANIFEST_KEY ? MANIFEST_KEY : pathOfKey(artifact.key);
      if (path === undefined) return;
      if (this.job.signal.aborted) throw cancelled(this.job.signal);
      bytes += await this.writeFile(artifact, path);
      missing.delete(path);
      this.job.progress({ phase: 'restore', object: path, bytes, totalBytes: Math.max(totalBytes, bytes) });
    });
    const [lacking] = missing;
    if (lacking !== undefined) throw new RahatError('dump_invalid', `The backup lacks ${lacking}, which the server's manifest names`);
    if (this.isCombined) bytes += await this.writeManifest();
    return bytes;
  }

  /** Folders last: each file made in one changes its time. */
  async finish(): Promise<void> {
    const [{ facts }] = this.chain;
    await this.synced?.settled();
    for (const [path, [mode, modifiedAt]] of Object.entries(facts.folders)) {
      const place = this.place(path);
      const folder = await open(place, 'r');
      await folder.sync().finally(() => folder.close());
      await chmod(place, mode);
      await utimes(place, modifiedAt, modifiedAt);
    }
  }

  private get isCombined(): boolean {
    return this.chain.length > 1;
  }

  /** Gives how many bytes stand there now. */
  private async writeFile(artifact: Artifact, path: string): Promise<number> {
    const [newest] = this.chain;
    if (!newest.manifest.files.has(path) && inManifest(path) && path !== MANIFEST_KEY)
      throw new RahatError('dump_invalid', `The backup holds ${path}, which the server's manifest does not name`);
    provenFile(newest, path);
    if (LEFT_OUT.has(path)) return 0;
    const whole = this.isCombined ? wholePath(path) : undefined;
    if (whole !== undefined) {
      const made = await this.create(whole, path, (file) => combineFile(whole, this.chain, file, this.job));
      this.made.set(whole, made);
      return made.sizeBytes;
    }
    // The one of the link would not fit what was put together; a new one follows.
    if (this.isCombined && path === MANIFEST_KEY) return 0;
    if (this.isCombined && path === LABEL_PATH) return this.writeLabel(artifact);
    // What is written is compared with the artifact's hash by the source.
    await this.create(path, path, (file) => newest.source.readInto(artifact, this.synced?.writing(file) ?? file));
    return artifact.sizeBytes;
  }

  private async writeLabel({ key }: Artifact): Promise<number> {
    const label = labelOfWhole(await readWhole(this.chain[0].source, key));
    await this.create(LABEL_PATH, LABEL_PATH, (file) => file.writeFile(label));
    this.made.set(LABEL_PATH, { sizeBytes: label.length, sha256: createHash('sha256').update(label).digest('hex') });
    return label.length;
  }

  /** What PostgreSQL's own pg_verifybackup compares the folder with. */
  private async writeManifest(): Promise<number> {
    const [{ facts, manifest }] = this.chain;
    const made = this.made;
    function* files(): Generator<[string, ManifestFile]> {
      for (const [path, sent] of manifest.files) {
        const whole = wholePath(path) ?? path;
        if (!LEFT_OUT.has(path)) yield [whole, made.get(whole) ?? sent];
      }
    }
    const { systemIdentifier } = facts;
    return this.create(MANIFEST_KEY, MANIFEST_KEY, async (file) => {
      await writeFile(file, writeBackupManifest({ systemIdentifier, files: files(), logRanges: manifest.logRanges }));
      return (await file.stat()).size;
    });
  }

  /** `told`: as which path of the backup its mode and time are known. */
  private async create<T>(path: string, told: string, fill: (file: FileHandle) => Promise<T>): Promise<T> {
    const place = this.place(path);
    await this.makeFolder(place.subarray(0, place.lastIndexOf('/')));
    // Read again where it was put together.
    const file = await open(place, 'wx+', FILE_MODE);
    let made: T;
    try {
      made = await fill(file);
      if (this.synced) await this.setAttributes(file, told);
    } catch (error) {
      await file.close();
      throw error;
    }
    await (this.synced ? this.synced.end(file) : file.close());
    return made;
  }

  private async setAttributes(file: FileHandle, path: string): Promise<void> {
    const [mode, modifiedAt] = this.chain[0].facts.files[path] ?? [FILE_MODE, undefined];
    if (mode !== FILE_MODE) await file.chmod(mode);
    if (modifiedAt !== undefined) await file.utimes(modifiedAt, modifiedAt);
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
