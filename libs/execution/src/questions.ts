import {
  type Engine,
  type MadeBackupUser,
  type PreflightReport,
  type PreflightRequest,
  type ProbeReport,
  RahatError,
  type RestoreSpec,
  type RunSecrets,
} from '@rahat/contracts';
import type { ArtifactSource, BackupUserRequest, DiscoveredDatabase, RestoreOutline } from '@rahat/connector-kit';
import type { SnapshotSource } from './artifacts.js';
import { openChain } from './chain.js';
import { connectorFor, type SourceConnection } from './connectors.js';
import { runError } from './execute-run.js';
import { restoreRequest } from './restore.js';
import { connectorContext, type ExecutionOptions, jobOf, openRepositoryToRead } from './run-context.js';

export type QuestionOptions = Pick<ExecutionOptions, 'signal' | 'toolFolders' | 'scratchFolder' | 'cacheFolder'>;

/** The test button. A server that can't be reached is an answer, not an error. */
export async function probeServer(engine: Engine, connection: SourceConnection, options: QuestionOptions): Promise<ProbeReport> {
  const started = Date.now();
  try {
    await using session = await (await connectorFor(engine)).open(connection, connectorContext(options));
    const { identity, version, latencyMs, tls, steps, methods } = await session.probe();
    return { reachable: true, identity, version, latencyMs, tls, steps, methods };
  } catch (error) {
    const { code, message, hint } = maskedError(error, connection, options);
    const steps = [{ name: 'connect', ok: false, ms: Date.now() - started, detail: message }];
    return {
      reachable: false,
      identity: null,
      version: null,
      latencyMs: null,
      tls: false,
      steps,
      methods: [],
      error: { code, message, hint },
    };
  }
}

/** What a server lacks for its backups, and what cures it. A server that can't be reached is an answer, not an error. */
export async function preflightServer(
  engine: Engine,
  connection: SourceConnection,
  request: PreflightRequest,
  options: QuestionOptions,
): Promise<PreflightReport> {
  try {
    await using session = await (await connectorFor(engine)).open(connection, connectorContext(options));
    return await session.report(request);
  } catch (error) {
    const failure = maskedError(error, connection, options);
    if (!failure.code.startsWith('source_')) throw failure;
    const { code, message, hint } = failure;
    return {
      reachable: false,
      user: connection.user,
      identity: null,
      version: null,
      role: null,
      provider: null,
      facts: [],
      findings: [],
      uses: [],
      databases: [],
      script: '',
      error: { code, message, hint },
    };
  }
}

/** By the administrator in `source`; the user to make is `target`. */
export async function makeBackupUser(
  engine: Engine,
  secrets: RunSecrets,
  request: Omit<BackupUserRequest, 'name' | 'password'>,
  options: QuestionOptions,
): Promise<MadeBackupUser> {
  const { admin, user } = endsOf(secrets);
  try {
    await using session = await (await connectorFor(engine)).open(admin, connectorContext(options));
    return await session.makeBackupUser({ ...request, name: user.user, password: user.password });
  } catch (error) {
    throw runError(error, secrets, options.signal);
  }
}

/** By the administrator in `source`; a role that bears another mark stays. */
export async function removeBackupUser(
  engine: Engine,
  secrets: RunSecrets,
  mark: string,
  options: QuestionOptions,
): Promise<{ removed: boolean }> {
  const { admin, user } = endsOf(secrets);
  try {
    await using session = await (await connectorFor(engine)).open(admin, connectorContext(options));
    return { removed: await session.removeBackupUser(user.user, mark) };
  } catch (error) {
    throw runError(error, secrets, options.signal);
  }
}

function endsOf({ source: admin, target: user }: RunSecrets): { admin: SourceConnection; user: SourceConnection } {
  if (!admin || !user) throw new RahatError('message_invalid', 'The question came without the administrator, or without the user to make');
  return { admin, user };
}

export async function discoverDatabases(
  engine: Engine,
  connection: SourceConnection,
  options: QuestionOptions,
): Promise<DiscoveredDatabase[]> {
  try {
    await using session = await (await connectorFor(engine)).open(connection, connectorContext(options));
    return await session.discover();
  } catch (error) {
    throw maskedError(error, connection, options);
  }
}

/** When a log stream is removed: the server need not keep log for it any more. */
export async function dropSlot(
  engine: Engine,
  source: SourceConnection,
  slot: string,
  options: QuestionOptions,
): Promise<{ dropped: boolean }> {
  try {
    await using session = await (await connectorFor(engine)).open(source, connectorContext(options));
    return { dropped: await session.dropSlot(slot) };
  } catch (error) {
    throw maskedError(error, source, options);
  }
}

/** What a restore would do; looks only, at the snapshot and at the target. */
export async function outlineRestore(spec: RestoreSpec, secrets: RunSecrets, options: QuestionOptions): Promise<RestoreOutline> {
  try {
    const quiet = { ...options, workerName: 'outline', onProgress: () => undefined, onLog: () => undefined };
    const repository = await openRepositoryToRead(secrets, spec.repository, quiet);
    const manifest = await repository.findSnapshot(spec.snapshot);
    await using reading = await repository.beginReading({ signal: options.signal });
    const source = await openChain(repository, manifest, reading, { signal: options.signal, verifyChunks: false });
    if (spec.target.kind === 'folder') return folderOutline(source, spec.target.path);
    const connection = secrets.target ?? secrets.source;
    if (!connection) throw new RahatError('message_invalid', 'The question came without the credentials of its target server');
    await using target = await (await connectorFor(spec.engine)).open(connection, connectorContext(options));
    return await target.planRestore(restoreRequest(spec), source, jobOf(quiet, secrets));
  } catch (error) {
    throw runError(error, secrets, options.signal);
  }
}

function folderOutline(source: SnapshotSource, path: string): RestoreOutline {
  const objects = source.artifacts.map((artifact) => ({
    schema: '',
    name: artifact.key,
    kind: artifact.kind,
    rows: artifact.rows,
    sizeBytes: artifact.sizeBytes,
  }));
  const links: ArtifactSource[] = [source];
  for (let link: ArtifactSource | undefined = source.parent; link; link = link.parent) links.push(link);
  const steps = [
    `Refuse unless ${path} is missing or empty`,
    `Write ${objects.length} files into ${path}${links.length > 1 ? `, put together from ${links.length} backups` : ''}`,
    'Compare every file with its checksum',
    'Leave a data directory ready to start',
  ];
  // Of a chain nobody knows it before: about what its full backup has.
  const sizeBytes = links.at(-1)!.artifacts.reduce((sum, artifact) => sum + artifact.sizeBytes, 0);
  return { steps, objects, sizeBytes, overwrites: [], findings: [] };
}

function maskedError(error: unknown, connection: SourceConnection, options: QuestionOptions): RahatError {
  return runError(error, { source: connection, repositories: [] }, options.signal);
}
