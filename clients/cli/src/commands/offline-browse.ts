import { once } from 'node:events';
import { TABLE_FORMATS, type BackupOutline, type OfflineRepository, type TableFormat } from '@rahat/execution';
import { RahatError } from '@rahat/contracts';
import { bytes, table, visible } from '../terminal/format.js';
import { untilInterrupted } from '../terminal/interrupt.js';
import type { Terminal } from '../terminal/terminal.js';
import { fillNewFile } from './new-file.js';
import { offlineProgress } from './offline-progress.js';
import { openOffline, type KitOpening } from './open-offline.js';
import { parseTableName } from './table-names.js';

export interface BrowseOptions extends KitOpening {
  snapshot: string;
  schema?: string;
  object?: string;
}

export async function browseBackup(terminal: Terminal, options: BrowseOptions): Promise<void> {
  const object = options.object === undefined ? undefined : objectName(options.object);
  const repository = await openOffline(options);
  if (object) {
    const ddl = await repository.ddl(options.snapshot, object);
    terminal.result({ ...object, ddl }, ddl.trimEnd());
    return;
  }
  showOutline(terminal, await repository.browse(options.snapshot), options.schema);
}

export function showOutline(terminal: Terminal, outline: BackupOutline, schema: string | undefined): void {
  const shown =
    schema === undefined ? outline : { ...outline, relations: outline.relations.filter((relation) => relation.schema === schema) };
  terminal.result(shown, outlineText(shown));
}

function outlineText({ database, serverVersion, relations, largeObjects, hasGlobals }: BackupOutline): string {
  const rows = relations.map((relation) => [
    relation.schema,
    relation.name,
    relation.kind,
    relation.rows === undefined ? '' : String(relation.rows),
    relation.sizeBytes === undefined ? '' : bytes(relation.sizeBytes),
    relation.key.join(', '),
    relation.partitionOf ? `${relation.partitionOf.schema}.${relation.partitionOf.name}` : '',
  ]);
  const total = relations.reduce((sum, { rows: count = 0 }) => sum + count, 0);
  return [
    table(['SCHEMA', 'NAME', 'KIND', 'ROWS', 'SIZE', 'KEY', 'PARTITION OF'], rows),
    '',
    `${visible(database)} of PostgreSQL ${serverVersion}: ${total} rows, ${largeObjects} large objects${hasGlobals ? ', roles and tablespaces' : ''}.`,
  ].join('\n');
}

export interface DownloadChoice {
  table?: string;
  globals: boolean;
  format: string;
  formulaSafe: boolean;
  to?: string;
}

export interface DownloadOptions extends KitOpening, DownloadChoice {
  snapshot: string;
}

export async function downloadTable(terminal: Terminal, options: DownloadOptions): Promise<void> {
  const what = options.globals ? 'globals' : tableExport(options);
  const repository = await openOffline(options);
  await writeOut(terminal, options.to, (write) => download(terminal, repository, options.snapshot, what, write));
}

/** Into a new file, or to the standard output. */
export async function writeOut(
  terminal: Terminal,
  to: string | undefined,
  produce: (write: (piece: Buffer) => Promise<void>) => Promise<void>,
): Promise<void> {
  if (to === undefined) return produce(toStandardOutput);
  let size = 0;
  await fillNewFile(to, (write) =>
    produce(async (piece) => {
      size += piece.length;
      await write(piece);
    }),
  );
  terminal.result({ file: to, sizeBytes: size }, `Wrote ${bytes(size)} to ${visible(to)}.`);
}

async function download(
  terminal: Terminal,
  repository: OfflineRepository,
  snapshot: string,
  what: Parameters<OfflineRepository['download']>[1],
  write: (bytes: Buffer) => Promise<void>,
): Promise<void> {
  await repository.download(snapshot, what, write, {
    signal: untilInterrupted('Cancelled; the file is not whole.'),
    onProgress: offlineProgress(terminal),
  });
  terminal.progressEnd();
}

export function tableExport({
  table: name,
  format,
  formulaSafe,
}: DownloadChoice): Exclude<Parameters<OfflineRepository['download']>[1], string> {
  if (name === undefined)
    throw new RahatError('invalid_input', 'What is to be downloaded?', { hint: 'Give --table schema.table, or --globals.' });
  if (!isFormat(format))
    throw new RahatError('invalid_input', `There is no format "${format}".`, { hint: `Use ${TABLE_FORMATS.join(', ')}.` });
  return { table: objectName(name), format, formulaSafe };
}

function isFormat(text: string): text is TableFormat {
  return (TABLE_FORMATS as readonly string[]).includes(text);
}

export function objectName(text: string): { schema: string; name: string } {
  const { schema, table: name } = parseTableName(text);
  return { schema, name };
}

/** The piece is lent, and a pipe may keep what it is given. */
async function toStandardOutput(piece: Buffer): Promise<void> {
  if (!process.stdout.write(Buffer.from(piece))) await once(process.stdout, 'drain');
}
