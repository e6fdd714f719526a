import { assertBlobName, assertBlobPrefix, isBlobName, throwIfAborted } from '@rahat/blob-store-port';
import type { BlobEntry, BlobStat, BlobStore, ByteRange, CallOptions, PutOptions } from '@rahat/blob-store-port';
import { type LocalSettings, RahatError } from '@rahat/contracts';
import { randomUUID } from 'node:crypto';
import { stat as lookAt, type Stats } from 'node:fs';
import { link, lstat, mkdir, open, readdir, rename, stat, unlink, utimes, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno, localError } from './local-errors.js';

/** `~` is outside of the names' alphabet: nothing in here can be listed, read or overwritten as a blob. */
const WRITING_FOLDER = '~writing';
/** No put lives this long (repository.md §7: TTL/8); what is older belongs to a writer that died. */
const STALE_WRITE_MS = 24 * 3600 * 1000;
const STATS_AT_ONCE = 32;
/** A blob that is shown this long after it was written gets the time at which it was shown. */
const SHOWN_LATE_MS = 1000;

/** Blobs under `prefix` in a folder. Reading never writes: folders are made by the first `put`. */
export class LocalStore implements BlobStore {
  readonly capabilities = {
    conditionalPut: true,
    listLagMs: 0,
    serverTime: true,
    objectLock: false,
    rangedRead: true,
    maxObjectSizeBytes: 2 ** 43,
    // One file is written as fast as the disk takes several.
    putsAtOnce: 1,
  };
  readonly description: string;
  private readonly root: string;
  private readonly durableFolders = new Set<string>();
  private preparation: Promise<void> | undefined;

  constructor(settings: LocalSettings, prefix = '') {
    if (prefix) assertBlobName(prefix);
    this.root = join(settings.path, prefix);
    this.description = this.root;
  }

  async put(name: string, body: Uint8Array, options: PutOptions = {}): Promise<void> {
    const target = this.path(name);
    throwIfAborted(options.signal);
    await (this.preparation ??= this.prepareWriting().catch((error: unknown) => {
      this.preparation = undefined;
      throw error;
    }));
    const draft = join(this.root, WRITING_FOLDER, randomUUID());
    try {
      await writeDurably(draft, body);
      throwIfAborted(options.signal);
      await this.makeFolder(dirname(target));
      // link(2) fails where the name is taken, rename(2) replaces; both show the whole file or none.
      if (options.ifAbsent) await link(draft, target);
      else await rename(draft, target);
      await dateByShowing(target);
      await syncFolder(dirname(target));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw localError(error, 'write', target);
      // Our folders were taken away: the next put makes them again.
      this.durableFolders.clear();
      this.preparation = undefined;
      throw vanished(dirname(target), error);
    } finally {
      await removeQuietly(draft);
    }
  }

  async get(name: string, range?: ByteRange, options: CallOptions = {}): Promise<Buffer> {
    const path = this.path(name);
    throwIfAborted(options.signal);
    let file: FileHandle | undefined;
    try {
      file = await open(path, 'r');
      return range ? await readExactly(file, range, path) : await file.readFile();
    } catch (error) {
      throw localError(error, 'read', path);
    } finally {
      // What was read is right all the same.
      await file?.close().catch(() => undefined);
    }
  }

  async stat(name: string, options: CallOptions = {}): Promise<BlobStat | undefined> {
    const path = this.path(name);
    throwIfAborted(options.signal);
    try {
      return await blobStat(path);
    } catch (error) {
      throw localError(error, 'look at', path);
    }
  }

  async *list(prefix: string, options: CallOptions = {}): AsyncIterable<BlobEntry> {
    assertBlobPrefix(prefix);
    yield* this.listFolder('', prefix, options.signal);
  }

  async remove(name: string, options: CallOptions = {}): Promise<void> {
    const path = this.path(name);
    throwIfAborted(options.signal);
    try {
      await unlink(path);
      await syncFolder(dirname(path));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw localError(error, 'remove', path);
    }
  }

  private path(name: string): string {
    assertBlobName(name);
    return join(this.root, name);
  }

  /** `folder` is '' or ends with a slash. Sorting sub-folders as `name/` keeps the order of whole names. */
  private async *listFolder(folder: string, prefix: string, signal: AbortSignal | undefined): AsyncIterable<BlobEntry> {
    throwIfAborted(signal);
    const path = join(this.root, folder);
    const keys: string[] = [];
    try {
      for (const entry of await readdir(path, { withFileTypes: true })) {
        if (!isBlobName(entry.name)) continue;
        // Links and file systems that give no type are looked at; the rest costs no call.
        const isFolder = !entry.isFile() && (entry.isDirectory() || (await isFolderBehindLink(join(path, entry.name))));
        const key = folder + entry.name + (isFolder ? '/' : '');
        if (key.startsWith(prefix) || (isFolder && prefix.startsWith(key))) keys.push(key);
      }
    } catch (error) {
      // A place that nobody wrote to yet is empty; one that was written to and is gone is not.
      if (isErrno(error, 'ENOENT') && !this.durableFolders.has(path)) return;
      if (isErrno(error, 'ENOENT')) throw vanished(path, error);
      throw localError(error, 'list', path);
    }
    keys.sort();
    for (let start = 0; start < keys.length; start += STATS_AT_ONCE) {
      throwIfAborted(signal);
      const batch = keys.slice(start, start + STATS_AT_ONCE);
      const stats = await this.statEach(batch.filter((key) => !key.endsWith('/')));
      for (const key of batch) {
        const found = stats.get(key);
        if (key.endsWith('/')) yield* this.listFolder(key, prefix, signal);
        // Removed since the folder was read.
        else if (found) yield { name: key, ...found };
      }
    }
  }

  /** Without a promise for each of them: a repository has hundreds of thousands. Gives those that are there and no folders. */
  private statEach(keys: string[]): Promise<Map<string, BlobStat>> {
    const found = new Map<string, BlobStat>();
    return new Promise((resolve, reject) => {
      let left = keys.length;
      if (left === 0) resolve(found);
      for (const key of keys) {
        const path = join(this.root, key);
        lookAt(path, (error, stats) => {
          if (error && !isErrno(error, 'ENOENT', 'ENOTDIR')) reject(localError(error, 'look at', path));
          else if (!error && !stats.isDirectory()) found.set(key, presentStat(stats));
          if (--left === 0) resolve(found);
        });
      }
    });
  }

  /** Makes the place and clears away what writers that died had begun. */
  private async prepareWriting(): Promise<void> {
    const folder = join(this.root, WRITING_FOLDER);
    try {
      await this.makeFolder(folder);
      for (const name of await readdir(folder)) {
        const draft = join(folder, name);
        const found = await lstat(draft).catch(() => undefined);
        if (found && Date.now() - found.mtimeMs > STALE_WRITE_MS) await removeQuietly(draft);
      }
    } catch (error) {
      throw localError(error, 'write into', folder);
    }
  }

  /** A folder that a crash could take away would take its blobs with it: each new one is synced in its parent. */
  private async makeFolder(path: string): Promise<void> {
    if (this.durableFolders.has(path)) return;
    const firstMade = await mkdir(path, { recursive: true, mode: 0o700 });
    for (let folder = path; firstMade && folder.length >= firstMade.length; folder = dirname(folder)) await syncFolder(dirname(folder));
    this.durableFolders.add(path).add(this.root);
  }
}

async function writeDurably(path: string, body: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(body);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * The time of a blob is taken for the moment since when others can see it. Where the process was stopped between writing and showing
 * it, the file's own time would be an earlier one; when it was shown is told by the file system.
 */
async function dateByShowing(path: string): Promise<void> {
  try {
    const { mtimeMs, ctimeMs, ctime } = await stat(path);
    if (ctimeMs - mtimeMs > SHOWN_LATE_MS) await utimes(path, ctime, ctime);
  } catch (error) {
    // Removed by somebody else already.
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    // Some network file systems can't sync a folder and do it by themselves.
    if (!isErrno(error, 'EINVAL', 'ENOTSUP', 'ENOSYS')) throw error;
  } finally {
    await folder.close();
  }
}

async function readExactly(file: FileHandle, range: ByteRange, path: string): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(range.length);
  const { size } = await file.stat();
  if (range.offset + range.length > size) {
    throw new RahatError('repository_damaged', `${path} has ${size} bytes, too few for ${range.length} at ${range.offset}`);
  }
  for (let done = 0; done < range.length;) {
    const { bytesRead } = await file.read(bytes, done, range.length - done, range.offset + done);
    if (bytesRead === 0) throw new RahatError('repository_damaged', `${path} became shorter while it was read`);
    done += bytesRead;
  }
  return bytes;
}

async function blobStat(path: string): Promise<BlobStat | undefined> {
  try {
    const found = await stat(path);
    return found.isDirectory() ? undefined : presentStat(found);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function presentStat({ size, mtime }: Stats): BlobStat {
  return { sizeBytes: size, modifiedAt: mtime };
}

async function isFolderBehindLink(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    (error: unknown) => {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    },
  );
}

function vanished(path: string, cause: unknown): RahatError {
  return new RahatError('storage_unreachable', `The folder ${path} has vanished`, { hint: 'Is the disk still mounted?', cause });
}

async function removeQuietly(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}
