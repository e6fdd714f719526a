import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';

const BLOCK = Buffer.alloc(1024 * 1024, 1);

/** Only root mounts; a machine of a continuous integration that has no root would prove less without a word. */
export const MOUNTS = process.getuid?.() === 0;
if (!MOUNTS && process.env['CI'] === 'true') throw new Error('These tests mount a small file system: run them as root.');

/** A file system of its own at `folder`, which others can't fill and which fills no other. */
export interface SmallDisk extends Disposable {
  /** To the last byte. */
  fill(): void;
  free(): void;
}

export function mountSmallDisk(folder: string, megabytes: number): SmallDisk {
  mkdirSync(folder, { recursive: true });
  command('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'tmpfs', folder);
  const ballast = path.join(folder, 'ballast');
  return {
    fill() {
      const file = openSync(ballast, 'w');
      try {
        for (;;) writeSync(file, BLOCK);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(ballast),
    [Symbol.dispose]: () => command('umount', '-l', folder),
  };
}

function command(program: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
}
