import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  type Dirent,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { RepositoryContext } from '../context.js';
import { openIndexFile, writeIndexFile, type IndexFacts } from './index-cache-file.js';
import { BLOCK_BYTES, ROWS_PER_BLOCK } from './chunk-rows.js';
import type { ChunkTable, ChunkTableOptions } from './chunk-table.js';

const INDEX_FILE = 'index';
const SEGMENTS = 'segments';
const DEFAULT_MAX_BYTES = 8 * 1024 ** 3;
/** Unfinished files of a process that died; a living one is done long before. */
const LEFTOVER_MS = 24 * 60 * 60 * 1000;
const REPOSITORY_FOLDER = /^[0-9a-f]{32}$/;

/** Where caches are kept by custom: `XDG_CACHE_HOME`, else `~/.cache`. */
export function defaultCacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'rahat-backup');
}

/**
 * What is kept of one repository's index on the local disk: one file with most of it, ready for look-ups, and copies of the
 * segments that came since. All of it is sealed; what is damaged, missing or of another repository is as if it weren't there.
 * Several processes may use the folder at once: files are replaced as a whole, and open ones stay readable. Nothing here fails
 * a session: what goes wrong is said once, then the work goes on without the cache.
 */
export class IndexCache {
  private readonly folder: string;
  private working = true;

  private constructor(
    private readonly context: RepositoryContext,
    private readonly root: string,
    private readonly maxBytes: number,
  ) {
    this.folder = join(root, context.repositoryId.toString('hex'));
  }

  /** undefined where the session has no cache folder, or can't use it. */
  static open(context: RepositoryContext): IndexCache | undefined {
    if (!context.cache) return undefined;
    const cache = new IndexCache(context, context.cache.folder, context.cache.maxBytes ?? DEFAULT_MAX_BYTES);
    cache.attempt(() => {
      mkdirSync(join(cache.folder, SEGMENTS), { recursive: true, mode: 0o700 });
      chmodSync(cache.folder, 0o700);
      // The time of its last use, for eviction.
      utimesSync(cache.folder, new Date(), new Date());
    });
    return cache.working ? cache : undefined;
  }

  /** A folder on a disk, for what doesn't fit into memory. */
  get spillFolder(): string {
    return this.folder;
  }

  openIndex(options: ChunkTableOptions): { chunks: ChunkTable; facts: IndexFacts } | undefined {
    const path = join(this.folder, INDEX_FILE);
    return this.attempt(() => {
      if (!statSync(path, { throwIfNoEntry: false })) return undefined;
      const opened = openIndexFile(path, this.context, { ...options, onDamage: () => this.discardIndex() });
      if (opened) return opened;
      this.discardIndex();
      this.notice('The local cache of the index was damaged or not of this repository; it is made anew.');
      return undefined;
    });
  }

  async saveIndex(chunks: ChunkTable, facts: IndexFacts): Promise<boolean> {
    if (!this.working || chunks.capacity * (BLOCK_BYTES / ROWS_PER_BLOCK) + chunks.slotBytes > this.maxBytes) return false;
    const path = this.newPath();
    try {
      await writeIndexFile(path, this.context, chunks, facts);
      renameSync(path, join(this.folder, INDEX_FILE));
      return true;
    } catch (error) {
      this.attempt(() => rmSync(path, { force: true }));
      this.giveUp(error);
      return false;
    }
  }

  /** The sealed file of a segment as the repository has it. */
  segment(id: string): Buffer | undefined {
    const path = join(this.folder, SEGMENTS, id);
    return this.attempt(() => (statSync(path, { throwIfNoEntry: false }) ? readFileSync(path) : undefined));
  }

  keepSegment(id: string, file: Buffer): void {
    this.attempt(() => {
      const path = this.newPath();
      writeFileSync(path, file, { mode: 0o600, flag: 'wx' });
      renameSync(path, join(this.folder, SEGMENTS, id));
    });
  }

  dropSegment(id: string): void {
    this.attempt(() => rmSync(join(this.folder, SEGMENTS, id), { force: true }));
  }

  /** Removes copies that `needed` doesn't name, what dead processes left, and other repositories where all is too large. */
  sweep(needed: ReadonlySet<string>): void {
    this.attempt(() => {
      for (const name of readdirSync(join(this.folder, SEGMENTS))) if (!needed.has(name)) this.dropSegment(name);
      for (const { name } of filesIn(this.folder)) {
        const path = join(this.folder, name);
        const stat = name.startsWith('new-') && statSync(path, { throwIfNoEntry: false });
        if (stat && Date.now() - stat.mtimeMs > LEFTOVER_MS) rmSync(path, { force: true });
      }
      this.evictOthers();
    });
  }

  private evictOthers(): void {
    const folders = readdirSync(this.root)
      .filter((name) => REPOSITORY_FOLDER.test(name))
      .map((name) => join(this.root, name))
      .map((path) => ({ path, usedAtMs: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0, bytes: bytesIn(path) }))
      .sort((a, b) => a.usedAtMs - b.usedAtMs);
    let total = folders.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes } of folders) {
      if (total <= this.maxBytes) return;
      if (path === this.folder) continue;
      rmSync(path, { recursive: true, force: true });
      total -= bytes;
    }
  }

  private discardIndex(): void {
    this.attempt(() => rmSync(join(this.folder, INDEX_FILE), { force: true }));
  }

  private newPath(): string {
    return join(this.folder, `new-${randomBytes(8).toString('hex')}`);
  }

  private attempt<T>(use: () => T): T | undefined {
    if (!this.working) return undefined;
    try {
      return use();
    } catch (error) {
      // Another process, or somebody who cleans up, took a file away between two looks.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.giveUp(error);
      return undefined;
    }
  }

  private giveUp(error: unknown): void {
    if (!this.working) return;
    this.working = false;
    const why = error instanceof Error ? error.message : String(error);
    this.notice(`The local cache of the index in ${this.root} can't be used (${why}); the work goes on without it.`);
  }

  private notice(message: string): void {
    this.context.notice?.(message);
  }
}

function filesIn(folder: string): Dirent[] {
  return readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + (statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}
