import { describeBlobStore, listedNames } from '@rahat/blob-store-port/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { localError } from './local-errors.js';
import { LocalStore } from './local-store.js';

const run = promisify(execFile);

describeBlobStore('local folder', async () => {
  const path = await mkdtemp(join(tmpdir(), 'rahat-local-store-'));
  return {
    store: new LocalStore({ driver: 'local', path }, 'repository-1'),
    another: async () => new LocalStore({ driver: 'local', path }, 'repository-1'),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
});

describe('local store', () => {
  let path: string;
  let store: LocalStore;

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'rahat-local-store-'));
    store = new LocalStore({ driver: 'local', path: join(path, 'storage') }, 'repository-1');
  });
  afterEach(() => rm(path, { recursive: true, force: true }));

  const root = () => join(path, 'storage/repository-1');

  it('keeps everything to its own user', async () => {
    await store.put('packs/0a/x', Buffer.from('x'));
    expect((await stat(join(root(), 'packs/0a/x'))).mode & 0o777).toBe(0o600);
    for (const folder of ['', 'packs', 'packs/0a']) expect((await stat(join(root(), folder))).mode & 0o777).toBe(0o700);
  });

  it('leaves no draft behind, whether a put succeeded or not', async () => {
    await store.put('snapshots/s', Buffer.from('x'));
    await store.put('snapshots/s', Buffer.from('y'), { ifAbsent: true }).catch(() => undefined);
    await mkdir(join(root(), 'a-folder'));
    await expect(store.put('a-folder', Buffer.from('x'))).rejects.toMatchObject({ code: 'storage_unreachable' });
    expect(await readdir(join(root(), '~writing'))).toEqual([]);
  });

  it('hides the draft of a writer that died, and clears it away when a day old', async () => {
    await store.put('config', Buffer.from('x'));
    const drafts = join(root(), '~writing');
    await writeFile(join(drafts, 'fresh'), 'half a pa');
    await writeFile(join(drafts, 'stale'), 'half a pa');
    const twoDaysAgo = new Date(Date.now() - 48 * 3600 * 1000);
    await utimes(join(drafts, 'stale'), twoDaysAgo, twoDaysAgo);
    expect(await listedNames(store)).toEqual(['config']);
    await new LocalStore({ driver: 'local', path: join(path, 'storage') }, 'repository-1').put('other', Buffer.from('y'));
    expect(await readdir(drafts)).toEqual(['fresh']);
  });

  it('only reads when it is only read', async () => {
    expect(await listedNames(store)).toEqual([]);
    await expect(store.get('rahat.json')).rejects.toMatchObject({ code: 'blob_not_found' });
    expect(await readdir(path)).toEqual([]);
  });

  it('refuses to call a place empty that was written to and has vanished', async () => {
    await store.put('rahat.json', Buffer.from('x'));
    await rm(root(), { recursive: true });
    await expect(listedNames(store)).rejects.toMatchObject({ code: 'storage_unreachable' });
    await expect(store.put('rahat.json', Buffer.from('x'))).rejects.toMatchObject({ code: 'storage_unreachable' });
    await store.put('rahat.json', Buffer.from('x'));
    expect((await store.get('rahat.json')).toString()).toBe('x');
  });

  it('passes over foreign files and dangling links in its folder', async () => {
    await store.put('packs/0a/x', Buffer.from('x'));
    await mkdir(join(root(), 'lost+found'));
    await writeFile(join(root(), '.nfs0001'), '');
    await symlink('/nowhere', join(root(), 'dangling'));
    expect(await listedNames(store)).toEqual(['packs/0a/x']);
  });

  it('names the path and the fix where permission is missing', async () => {
    await mkdir(root(), { recursive: true });
    await chmod(path, 0o755);
    // Root passes every permission check, so the call is made as somebody else.
    const asRoot = process.getuid?.() === 0;
    if (asRoot) process.seteuid?.(65534);
    else await chmod(root(), 0o500);
    try {
      await expect(store.put('x', Buffer.from('x'))).rejects.toMatchObject({
        code: 'storage_permission_denied',
        message: expect.stringContaining(root()),
        hint: expect.stringContaining('read and write'),
      });
    } finally {
      if (asRoot) process.seteuid?.(0);
      else await chmod(root(), 0o700);
    }
  });

  it('says that the disk is full, keeps what was there and takes more once there is space', async () => {
    const disk = join(path, 'small-disk');
    await mkdir(disk);
    if (
      !(await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]).then(
        () => true,
        () => false,
      ))
    ) {
      // Without the right to mount, the translation alone is left to look at.
      expect(localError(Object.assign(new Error('no space'), { code: 'ENOSPC' }), 'write', disk)).toMatchObject({ code: 'storage_full' });
      return;
    }
    try {
      const small = new LocalStore({ driver: 'local', path: disk }, 'r');
      await small.put('older', Buffer.alloc(300_000, 'o'));
      await expect(small.put('too-big', Buffer.alloc(2_000_000))).rejects.toMatchObject({
        code: 'storage_full',
        message: expect.stringContaining(disk),
      });
      expect(await small.stat('too-big')).toBeUndefined();
      expect(await small.get('older')).toHaveLength(300_000);
      await small.put('fits', Buffer.alloc(400_000));
    } finally {
      await run('umount', [disk]);
    }
  });
});
