import { type ContentOrder, type RunSecrets } from '@rahat/contracts';
import type { Repository } from '@rahat/repository';
import { browseSnapshot, exportSnapshotTable, snapshotDdl, snapshotGlobals } from './browse.js';
import { runError } from './execute-run.js';
import type { QuestionOptions } from './questions.js';
import { pageOfRows } from './rows-page.js';
import { type ExecutionOptions, openRepositoryToRead } from './run-context.js';

/** What is asked of a backup, as bytes. Pieces are lent. Damage, and whatever else ends it early, is an error with no secret in it. */
export async function* readContents(
  order: ContentOrder,
  { repository, snapshot }: { repository: string; snapshot: string },
  secrets: RunSecrets,
  options: QuestionOptions,
): AsyncGenerator<Buffer> {
  const quiet: ExecutionOptions = { ...options, workerName: 'contents', onProgress: () => undefined, onLog: () => undefined };
  try {
    yield* piecesOf(order, await openRepositoryToRead(secrets, repository, quiet), snapshot, quiet);
  } catch (error) {
    throw runError(error, secrets, options.signal);
  }
}

async function* piecesOf(order: ContentOrder, repository: Repository, snapshot: string, options: ExecutionOptions): AsyncGenerator<Buffer> {
  switch (order.kind) {
    case 'outline':
      yield Buffer.from(JSON.stringify(await browseSnapshot(repository, snapshot, options)));
      return;
    case 'ddl':
      yield Buffer.from(await snapshotDdl(repository, snapshot, { schema: order.schema, name: order.name }, options));
      return;
    case 'globals':
      yield* snapshotGlobals(repository, snapshot, options);
      return;
    case 'table': {
      const { schema, name, format, formulaSafe } = order;
      yield* exportSnapshotTable(repository, snapshot, { table: { schema, name }, format, formulaSafe }, options);
      return;
    }
    case 'rows': {
      const { schema, name, offset, limit } = order;
      const lines = exportSnapshotTable(repository, snapshot, { table: { schema, name }, format: 'json-lines' }, options);
      yield* pageOfRows(lines, offset, limit);
    }
  }
}
