import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId, PlatformProtection, RahatError, type PostgresqlConnection, type Principal, type ProtectPlatform } from '@rahat/contracts';
import type { RepositoriesService, StoragesService } from '@rahat/service-storage';
import type { DataFolder } from '../data-folder/data-folder.js';

const STORAGE_NAME = 'This machine';
const REPOSITORY_NAME = 'local';
const FOLLOW_LIMIT_MS = 10 * 60_000;
const LOOK_EVERY_MS = 500;

export interface SelfBackupParts {
  folder: DataFolder;
  organization: string;
  connection: PostgresqlConnection;
  storages: StoragesService;
  repositories: RepositoriesService;
  /** Calls the scheduler with a service principal of the organization. */
  ask: (method: 'GET' | 'POST', path: string, body?: ProtectPlatform) => Promise<unknown>;
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
  const { organization, connection } = parts;
  const before = PlatformProtection.parse(
    await parts.ask('POST', '/internal/v1/platform-protection', { organization, connection, repository }),
  );
  return {
    passphraseFile,
    async proven(signal) {
      for (let protection = before; ; protection = PlatformProtection.parse(await parts.ask('GET', '/internal/v1/platform-protection'))) {
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

async function localRepository({
  folder,
  organization,
  storages,
  repositories,
}: SelfBackupParts): Promise<{ repository: string; passphraseFile?: string }> {
  const principal = platformPrincipal(organization);
  const page = { limit: 200 };
  const known = (await repositories.list(principal, page)).data.find(({ location }) => path.dirname(location) === folder.backups);
  if (known) return { repository: known.id };
  const storage =
    (await storages.list(principal, page)).data.find(({ settings }) => settings.driver === 'local' && settings.path === folder.backups) ??
    (await storages.create(principal, { name: STORAGE_NAME, settings: { driver: 'local', path: folder.backups } }));
  // A kill in the middle of the very first start can leave a folder that this database doesn't know; it is left alone.
  for (let number = 1; ; number++) {
    const name = number === 1 ? REPOSITORY_NAME : `${REPOSITORY_NAME}-${number}`;
    try {
      const made = await repositories.create(principal, { name, storage: storage.id, prefix: name });
      const passphraseFile = path.join(folder.keys, `repository-${name}-passphrase`);
      writeFileSync(passphraseFile, `${made.passphrase}\n`, { mode: 0o600, flush: true });
      return { repository: made.id, passphraseFile };
    } catch (error) {
      const taken = error instanceof RahatError && (error.code === 'repository_exists' || error.code === 'conflict');
      if (!taken || number === 20) throw error;
    }
  }
}

function platformPrincipal(organization: string): Principal {
  return {
    kind: 'service',
    subject: 'standalone',
    name: 'Rahat Backup',
    organization,
    role: 'owner',
    scopes: ['*'],
    address: 'internal',
    requestId: newId('request'),
  };
}

function failureOf(run: NonNullable<PlatformProtection['run']>): RahatError {
  if (run.error) return new RahatError('internal', `The ${run.type} ended as ${run.state}: ${run.error.message}`, { hint: run.error.hint });
  return new RahatError('internal', `The ${run.type} ended as ${run.state}${run.reasons.length > 0 ? `: ${run.reasons.join('; ')}` : ''}`);
}
