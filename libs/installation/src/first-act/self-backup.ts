import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  PlatformProtection,
  RahatError,
  type CreatedRepository,
  type PostgresqlConnection,
  type Repository,
  type Storage,
} from '@rahat/contracts';
import type { InternalClient } from '@rahat/service-kit';
import type { DataFolder } from '../data-folder/data-folder.js';

const STORAGE_NAME = 'This machine';
const REPOSITORY_NAME = 'local';
const FOLLOW_LIMIT_MS = 10 * 60_000;
const LOOK_EVERY_MS = 500;

export interface SelfBackupParts {
  folder: DataFolder;
  organization: string;
  connection: PostgresqlConnection;
  storage: LocalStorage;
  /** Reaches the scheduler. */
  internal: Pick<InternalClient, 'get' | 'post'>;
}

/** What the first act needs of the storage service: called in the same process, or over HTTP. */
export interface LocalStorage {
  storages(): Promise<Storage[]>;
  repositories(): Promise<Repository[]>;
  makeStorage(storage: { name: string; settings: { driver: 'local'; path: string } }): Promise<Storage>;
  /** With its passphrase. */
  makeRepository(repository: { name: string; storage: string; prefix: string }): Promise<CreatedRepository>;
}

export interface SelfBackup {
  /** Where the passphrase of a repository that was made just now stands. */
  passphraseFile?: string;
  /** Resolves with the time it took to a proven restore; rejects with why it can't be proven. */
  proven(signal: AbortSignal): Promise<{ seconds: number; alreadyProven: boolean }>;
}

/** The first act: the platform's own metadata database is backed up into a local repository, and proven by a test restore. */
export async function protectPlatform(parts: SelfBackupParts): Promise<SelfBackup> {
  const startedAt = Date.now();
  const { repository, passphraseFile } = await localRepository(parts);
  const { organization, connection, internal } = parts;
  const place = '/internal/v1/platform-protection';
  const before = await internal.post('scheduler', place, { organization, connection, repository }, PlatformProtection, organization);
  return {
    passphraseFile,
    async proven(signal) {
      for (let protection = before; ; protection = await internal.get('scheduler', place, PlatformProtection, organization)) {
        if (protection.proven) return { seconds: (Date.now() - startedAt) / 1000, alreadyProven: protection === before };
        if (protection.run && ['failed', 'partial', 'cancelled', 'missed', 'skipped'].includes(protection.run.state))
          throw failureOf(protection.run);
        if (Date.now() - startedAt > FOLLOW_LIMIT_MS)
          throw new RahatError('deadline_exceeded', 'The proof takes longer than ten minutes', { hint: 'It goes on: rahat-backup status' });
        await sleep(LOOK_EVERY_MS, undefined, { signal });
      }
    },
  };
}

async function localRepository({ folder, storage }: SelfBackupParts): Promise<{ repository: string; passphraseFile?: string }> {
  const known = (await storage.repositories()).find(({ location }) => path.dirname(location) === folder.backups);
  if (known) return { repository: known.id };
  const place =
    (await storage.storages()).find(({ settings }) => settings.driver === 'local' && settings.path === folder.backups) ??
    (await storage.makeStorage({ name: STORAGE_NAME, settings: { driver: 'local', path: folder.backups } }));
  // A kill in the middle of the very first start can leave a folder that this database doesn't know; it is left alone.
  for (let number = 1; ; number++) {
    const name = number === 1 ? REPOSITORY_NAME : `${REPOSITORY_NAME}-${number}`;
    try {
      const made = await storage.makeRepository({ name, storage: place.id, prefix: name });
      const passphraseFile = path.join(folder.keys, `repository-${name}-passphrase`);
      writeFileSync(passphraseFile, `${made.passphrase}\n`, { mode: 0o600, flush: true });
      return { repository: made.id, passphraseFile };
    } catch (error) {
      const taken = error instanceof RahatError && (error.code === 'repository_exists' || error.code === 'conflict');
      if (!taken || number === 20) throw error;
    }
  }
}

function failureOf(run: NonNullable<PlatformProtection['run']>): RahatError {
  if (run.error) return new RahatError('internal', `The ${run.type} ended as ${run.state}: ${run.error.message}`, { hint: run.error.hint });
  return new RahatError('internal', `The ${run.type} ended as ${run.state}${run.reasons.length > 0 ? `: ${run.reasons.join('; ')}` : ''}`);
}
