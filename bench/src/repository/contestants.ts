import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProcess } from '@rahat/execution';
import { findProgram } from '../find-program.js';
import type { Command } from './measured-process.js';

/** A backup program that takes part, with everything that it keeps below `home`. */
export interface Contestant {
  name: string;
  version: string;
  settings: string;
  create(): Command;
  /** From standard input, as one object. */
  backUpStream(name: string): Command;
  /** The newest stream to standard output. */
  restoreStream(): Command;
  backUpFolder(folder: string): Command;
  /** The newest folder, which was backed up from `source`, into the empty folder `target`. */
  restoreFolder(source: string, target: string): Command;
  repository: string;
}

export type ContestantFactory = (home: string) => Contestant;

/** The worker's own heap limit for a run. */
const HEAP_MB = 192;

export const rahat: ContestantFactory = (home) => {
  const repository = path.join(home, 'repository');
  const child = fileURLToPath(new URL('./repository-child.js', import.meta.url));
  const command = (work: 'reads' | 'writes', ...args: string[]): Command => {
    const { execArgv, env } = runProcess(HEAP_MB, work);
    return { program: process.execPath, env, args: [...execArgv, child, repository, path.join(home, 'passphrase'), ...args] };
  };
  return {
    name: 'rahat',
    version: process.version,
    settings: 'zstd 3, AES-256-GCM, Argon2id 64 MiB × 3',
    repository,
    create: () => command('writes', 'create'),
    backUpStream: () => command('writes', 'backup-stream'),
    restoreStream: () => command('reads', 'restore-stream'),
    backUpFolder: (folder) => command('writes', 'backup-folder', folder),
    restoreFolder: (_source, target) => command('reads', 'restore-folder', target),
  };
};

/** restic as it comes: compression `auto` (its zstd default), its own cache, scrypt. */
export function findRestic(): ContestantFactory | undefined {
  const found = findProgram('restic', ['version'], /restic ([\d.]+)/);
  if (!found) return undefined;
  return (home) => {
    const repository = path.join(home, 'repository');
    const env = {
      RESTIC_REPOSITORY: repository,
      RESTIC_PASSWORD_FILE: path.join(home, 'passphrase'),
      RESTIC_CACHE_DIR: path.join(home, 'cache'),
    };
    const command = (...args: string[]): Command => ({ program: found.program, args: ['--quiet', ...args], env });
    return {
      name: 'restic',
      version: found.version,
      settings: '--compression auto',
      repository,
      create: () => command('init'),
      backUpStream: (name) => command('backup', '--stdin', '--stdin-filename', name),
      restoreStream: () => command('dump', 'latest', '/dump.sql'),
      backUpFolder: (folder) => command('backup', folder),
      restoreFolder: (source, target) => command('restore', `latest:${source}`, '--target', target),
    };
  };
}

/** borg with zstd 3 and the encryption that it recommends for processors without its faster hash. */
export function findBorg(): ContestantFactory | undefined {
  const found = findProgram('borg', ['--version'], /borg ([\d.]+)/);
  if (!found) return undefined;
  return (home) => {
    const repository = path.join(home, 'repository');
    const env = {
      BORG_REPO: repository,
      BORG_PASSCOMMAND: `cat ${path.join(home, 'passphrase')}`,
      BORG_BASE_DIR: path.join(home, 'borg'),
      BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
      BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
    };
    const command = (...args: string[]): Command => ({ program: found.program, args, env });
    let archives = 0;
    return {
      name: 'borg',
      version: found.version,
      settings: 'zstd,3, repokey-blake2',
      repository,
      create: () => command('init', '--encryption', 'repokey-blake2'),
      backUpStream: (name) => command('create', '--compression', 'zstd,3', '--stdin-name', name, `::${++archives}`, '-'),
      restoreStream: () => command('extract', '--stdout', `::${archives}`),
      backUpFolder: (folder) => command('create', '--compression', 'zstd,3', `::${++archives}`, folder),
      restoreFolder: (source, target) => {
        const leading = source.split(path.sep).filter(Boolean).length;
        return { ...command('extract', '--strip-components', String(leading), `::${archives}`), cwd: target };
      },
    };
  };
}
