import type { BackupOutline, Decoder, ObjectName, TableExport } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import type { Repository } from '@rahat/repository';
import { SnapshotSource } from './artifacts.js';
import { connectorFor, type SourceConnection } from './connectors.js';
import { jobOf, type ExecutionOptions } from './run-context.js';

/** Schemas, tables, rows and sizes of a backup; opens its table of contents and none of its rows. */
export async function browseSnapshot(repository: Repository, snapshot: string, options: ExecutionOptions): Promise<BackupOutline> {
  await using opened = await openSnapshot(repository, snapshot, options);
  return await opened.decoder.outline(opened.source, jobOf(options, NO_SECRETS));
}

/** SQL that makes an object of the backup. */
export async function snapshotDdl(
  repository: Repository,
  snapshot: string,
  object: ObjectName,
  options: ExecutionOptions,
): Promise<string> {
  await using opened = await openSnapshot(repository, snapshot, options);
  return await opened.decoder.ddl(opened.source, object, jobOf(options, NO_SECRETS));
}

/** Roles and tablespaces as SQL. Pieces are lent. */
export async function* snapshotGlobals(repository: Repository, snapshot: string, options: ExecutionOptions): AsyncGenerator<Buffer> {
  await using opened = await openSnapshot(repository, snapshot, options);
  const globals = opened.decoder.globals(opened.source);
  if (!globals)
    throw new RahatError('not_found', 'The backup holds no globals: its user could not read them', {
      hint: 'The preflight of the server names the right that is missing.',
    });
  yield* globals;
}

/** One table as a file. Pieces are lent; damage is an error and never a shorter table. */
export async function* exportSnapshotTable(
  repository: Repository,
  snapshot: string,
  request: TableExport,
  options: ExecutionOptions,
): AsyncGenerator<Buffer> {
  await using opened = await openSnapshot(repository, snapshot, options);
  yield* opened.decoder.exportTable(opened.source, request, jobOf(options, NO_SECRETS));
}

export const NO_SECRETS = { repositories: [] };

export interface OpenedSnapshot extends AsyncDisposable {
  source: SnapshotSource;
  decoder: Decoder<SourceConnection>;
}

/** A snapshot to be read, with what decodes it. */
export async function openSnapshot(repository: Repository, snapshot: string, options: ExecutionOptions): Promise<OpenedSnapshot> {
  const manifest = await repository.findSnapshot(snapshot);
  const { decoder } = await connectorFor(manifest.engine);
  const reading = await repository.beginReading({ signal: options.signal });
  const source = new SnapshotSource(manifest, reading, { signal: options.signal, gate: options.gate, verifyChunks: false });
  return { source, decoder, [Symbol.asyncDispose]: () => reading[Symbol.asyncDispose]() };
}
