import {
  type Engine,
  type MadeBackupUser,
  type PreflightReport,
  type PreflightRequest,
  type ProbeReport,
  RahatError,
  type RestoreSpec,
  type RunSecrets,
  type SafetyCopySpec,
} from '@rahat/contracts';
import {
  type BackupUserRequest,
  bytesOfFiles,
  type ConnectorSession,
  type DiscoveredDatabase,
  type RestoreOutline,
} from '@rahat/connector-kit';
import type { SnapshotSource } from './artifacts.js';
import { openChain } from './chain.js';
import { connectorFor, type SourceConnection } from './connectors.js';
import { runError } from './execute-run.js';
import { outlineDatabaseOfServer } from './outline-database-of-server.js';
import { inTarget, isOfServer, restoreRequest, safetyCopyRequest, type RestoreWork } from './restore.js';
import { connectorContext, type ExecutionOptions, jobOf, openRepositoryToRead } from './run-context.js';

export type QuestionOptions = Pick<ExecutionOptions, 'signal' | 'toolFolders' | 'scratchFolder' | 'cacheFolder'>;

/** The test button. A server that can't be reached is an answer, not an error. */
export async function probeServer(engine: Engine, connection: SourceConnection, options: QuestionOptions): Promise<ProbeReport> {
  const started = Date.now();
  try {
    const { identity, version, latencyMs, tls, steps, methods } = await asked(engine, { source: connection }, options, (server) =>
      server.probe(),
    );
    return { reachable: true, identity, version, latencyMs, tls, steps, methods };
  } catch (error) {
    const { code, message, hint } = RahatError.from(error);
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
    return await asked(engine, { source: connection }, options, (server) => server.report(request));
  } catch (error) {
    const { code, message, hint } = RahatError.from(error);
    if (!code.startsWith('source_')) throw error;
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
  const { source, target } = endsOf(secrets);
  const { user: name, password } = target;
  return asked(engine, { source, target }, options, (server) => server.makeBackupUser({ ...request, name, password }));
}

/** By the administrator in `source`; a role that bears another mark stays. */
export async function removeBackupUser(
  engine: Engine,
  secrets: RunSecrets,
  mark: string,
  options: QuestionOptions,
): Promise<{ removed: boolean }> {
  const { source, target } = endsOf(secrets);
  return { removed: await asked(engine, { source, target }, options, (server) => server.removeBackupUser(target.user, mark)) };
}

function endsOf({ source, target }: RunSecrets): { source: SourceConnection; target: SourceConnection } {
  if (!source || !target)
    throw new RahatError('message_invalid', 'The question came without the administrator, or without the user to make');
  return { source, target };
}

export async function discoverDatabases(
  engine: Engine,
  connection: SourceConnection,
  options: QuestionOptions,
): Promise<DiscoveredDatabase[]> {
  return asked(engine, { source: connection }, options, (server) => server.discover());
}

/** When a log stream is removed: the server need not keep log for it any more. */
export async function dropSlot(
  engine: Engine,
  source: SourceConnection,
  slot: string,
  options: QuestionOptions,
): Promise<{ dropped: boolean }> {
  return { dropped: await asked(engine, { source }, options, (server) => server.dropSlot(slot)) };
}

/** What a restore would do; looks only, at the snapshot and at the target. */
export async function outlineRestore(spec: RestoreSpec, secrets: RunSecrets, options: QuestionOptions): Promise<RestoreOutline> {
  try {
    const quiet = quietly(options);
    const repository = await openRepositoryToRead(secrets, spec.repository, quiet);
    return await outlineSnapshot({ repository, order: spec, connection: secrets.target ?? secrets.source }, secrets, quiet);
  } catch (error) {
    throw runError(error, secrets, options.signal);
  }
}

/** Who only looks has nothing to tell on the way. */
function quietly(options: QuestionOptions): ExecutionOptions {
  return { ...options, workerName: 'outline', onProgress: () => undefined, onLog: () => undefined };
}

/** The same of a repository that is open. */
export async function outlineSnapshot(
  { repository, order, connection }: RestoreWork,
  secrets: RunSecrets,
  options: ExecutionOptions,
): Promise<RestoreOutline> {
  const manifest = await repository.findSnapshot(order.snapshot);
  const ofServer = isOfServer(order, manifest);
  await using reading = await repository.beginReading({ signal: options.signal });
  const source = await openChain(repository, manifest, reading, { signal: options.signal, verifyChunks: false });
  if (order.target.kind === 'folder') return folderOutline(source, order.target.path);
  return await inTarget(order, connection, options, (target) =>
    ofServer ? outlineDatabaseOfServer(source, order, target) : target.planRestore(restoreRequest(order), source, jobOf(options, secrets)),
  );
}

/** What an undo would do; looks only. */
export async function outlineSafetyCopy(spec: SafetyCopySpec, secrets: RunSecrets, options: QuestionOptions): Promise<RestoreOutline> {
  try {
    const connection = secrets.target ?? secrets.source;
    if (!connection) throw new RahatError('message_invalid', 'The question came without the credentials of its server');
    const quiet = quietly(options);
    await using session = await (await connectorFor(spec.engine)).open(connection, connectorContext(options));
    return await session.planSafetyCopy(safetyCopyRequest(spec), jobOf(quiet, secrets));
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
  let links = 1;
  for (let link = source.parent; link; link = link.parent) links += 1;
  const steps = [
    `Refuse unless ${path} is missing or empty`,
    `Write ${objects.length} files into ${path}${links > 1 ? `, put together from ${links} backups` : ''}`,
    'Compare every file with its checksum',
    'Leave a data directory ready to start',
  ];
  return { steps, objects, sizeBytes: bytesOfFiles(source), overwrites: [], findings: [] };
}

/** Asks the server that `source` is; no secret of either end is in the error. */
async function asked<T>(
  engine: Engine,
  ends: { source: SourceConnection; target?: SourceConnection },
  options: QuestionOptions,
  ask: (server: ConnectorSession) => Promise<T>,
): Promise<T> {
  try {
    await using session = await (await connectorFor(engine)).open(ends.source, connectorContext(options));
    return await ask(session);
  } catch (error) {
    throw runError(error, { ...ends, repositories: [] }, options.signal);
  }
}
