import { openBlobStore } from '@rahat/blob-store-registry';
import type { ConnectorContext, Job, JobProgress, PushedSegment } from '@rahat/connector-kit';
import { type LogProgress, RahatError, type RepositoryAccess, type RunSecrets } from '@rahat/contracts';
import { openRepository, type OpenOptions, type Repository, type WritableRepository } from '@rahat/repository';
import type { LogCommitted } from './follow.js';
import { maskSecrets } from './mask-secrets.js';
import { WatchedStore } from './watched-store.js';
import type { PauseGate } from './pause-gate.js';
import type { TellFound } from './rebuild.js';

export type LogLevel = 'info' | 'warning' | 'error';

export interface ExecutionProgress extends JobProgress {
  /** Bytes that the repository didn't have before. */
  addedBytes?: number;
  /** Of a follower. */
  log?: LogProgress;
}

/** What one execution needs besides its spec. */
export interface ExecutionOptions {
  signal: AbortSignal;
  /** Closed while the run is paused. */
  gate?: PauseGate;
  onProgress(progress: ExecutionProgress): void;
  /** Of a rebuild of the catalog; there is none where the platform is not. */
  onFound?: TellFound;
  /** Of a follower: each commit, when it is durable. */
  onLogCommitted?(committed: LogCommitted): void;
  /** Of a follower of pushed log; end with `signal`. */
  pushedSegments?: AsyncIterable<PushedSegment>;
  /** Secrets of the run are masked already. */
  onLog(level: LogLevel, message: string): void;
  toolFolders: string[];
  /** Private (0700) and empty; the caller removes it. */
  scratchFolder: string;
  /** Keeps repositories' indexes between executions; shared with others, may be emptied at any time. */
  cacheFolder?: string;
  workerName: string;
}

export function connectorContext(options: Pick<ExecutionOptions, 'toolFolders' | 'scratchFolder' | 'signal'>): ConnectorContext {
  return { toolFolders: options.toolFolders, scratchFolder: options.scratchFolder, signal: options.signal };
}

export function jobOf(options: ExecutionOptions, secrets: RunSecrets, addedBytes?: () => number): Job {
  return {
    signal: options.signal,
    progress: (progress) => options.onProgress(addedBytes ? { ...progress, addedBytes: addedBytes() } : progress),
    log: (level, message) => options.onLog(level, maskSecrets(message, secrets)),
  };
}

type RepositoryOptions = Pick<ExecutionOptions, 'signal' | 'cacheFolder' | 'onLog'>;

/** The repository as far as backing up and checking its structure goes: either power is enough. */
export async function openRepositoryToWrite(
  secrets: RunSecrets,
  repositoryId: string,
  options: RepositoryOptions,
  onCall?: (name: string, bytes: number) => void,
): Promise<WritableRepository> {
  const { storage, prefix, credential } = grantFor(secrets, repositoryId);
  if (credential.power === 'read') return openRepositoryToRead(secrets, repositoryId, options);
  options.signal.throwIfAborted();
  const access = { type: 'write-only', credential: credential.writeOnly } as const;
  const store = await openBlobStore(storage, prefix);
  return openRepository(onCall ? new WatchedStore(store, onCall) : store, access, cacheOptions(options));
}

/** Rejects with `master_key_needed` where the run was given a write-only credential. */
export async function openRepositoryToRead(secrets: RunSecrets, repositoryId: string, options: RepositoryOptions): Promise<Repository> {
  const { storage, prefix, credential } = grantFor(secrets, repositoryId);
  if (credential.power !== 'read') {
    throw new RahatError('master_key_needed', 'The run was given a credential that only writes, and would have to read backed-up data');
  }
  options.signal.throwIfAborted();
  const [masterKey, identitySecret] = [credential.masterKey, credential.identitySecret].map((key) => Buffer.from(key, 'base64'));
  const access = { type: 'secrets', masterKey: masterKey!, identitySecret: identitySecret! } as const;
  return openRepository(await openBlobStore(storage, prefix), access, cacheOptions(options));
}

function grantFor(secrets: RunSecrets, repositoryId: string): RepositoryAccess {
  // The catalog's id and the format's own id are both good names for it; a run has few.
  const grant =
    secrets.repositories.find((entry) => entry.repositoryId === repositoryId) ??
    (secrets.repositories.length === 1 ? secrets.repositories[0] : undefined);
  if (!grant) throw new RahatError('message_invalid', `The run came without the keys of its repository ${repositoryId}`);
  return grant;
}

/** A cache that can't be used is a warning; the work is done without it. */
function cacheOptions({ cacheFolder, onLog }: Pick<ExecutionOptions, 'cacheFolder' | 'onLog'>): OpenOptions {
  return {
    ...(cacheFolder === undefined ? {} : { cache: { folder: cacheFolder } }),
    onNotice: (message) => onLog('warning', message),
  };
}

export function sourceConnection(secrets: RunSecrets) {
  if (secrets.source) return secrets.source;
  throw new RahatError('message_invalid', 'The run came without the credentials of its database server');
}
