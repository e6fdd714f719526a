import { backupsDdl, backupsDownload, backupsObjects, backupsRows } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { untilInterrupted } from '../terminal/interrupt.js';
import type { Terminal } from '../terminal/terminal.js';
import { findBackup } from './backups.js';
import { objectName, showOutline, tableExport, writeOut, type DownloadChoice } from './offline-browse.js';

export interface BrowseBackupOptions {
  schema?: string;
  object?: string;
  rows?: string;
  offset: number;
  limit: number;
}

/** What a backup of the platform holds: its objects, the SQL of one, or some rows of a table. */
export async function browseOnPlatform(terminal: Terminal, id: string, options: BrowseBackupOptions): Promise<void> {
  const api = await openApi();
  const { client } = api;
  const path = { id: (await findBackup(api, id)).id };
  if (options.object !== undefined) {
    const object = objectName(options.object);
    const ddl = await answer(backupsDdl({ client, path, query: object, parseAs: 'text' }));
    terminal.result({ ...object, ddl }, String(ddl).trimEnd());
    return;
  }
  if (options.rows !== undefined) {
    const { offset, limit } = options;
    const page = await answer(backupsRows({ client, path, query: { ...objectName(options.rows), offset, limit } }));
    const more = page.nextOffset === null ? [] : [`More with --offset ${page.nextOffset}.`];
    terminal.result(page, [...page.rows.map((row) => JSON.stringify(row)), ...more].join('\n'));
    return;
  }
  showOutline(terminal, await answer(backupsObjects({ client, path })), options.schema);
}

/** A table of a backup of the platform as a file. A download that breaks off leaves none. */
export async function downloadFromPlatform(terminal: Terminal, id: string, options: DownloadChoice): Promise<void> {
  if (options.to === undefined && terminal.json)
    throw new RahatError('invalid_input', 'With --json the table needs a file of its own.', { hint: 'Give --to FILE.' });
  const what = options.globals ? 'globals' : tableExport(options);
  const api = await openApi();
  const { client } = api;
  const path = { id: (await findBackup(api, id)).id };
  const query =
    what === 'globals'
      ? { globals: 'true' as const }
      : { ...what.table, format: what.format, formulaSafe: what.formulaSafe ? ('true' as const) : ('false' as const) };
  const signal = untilInterrupted('Cancelled; the file is not whole.');
  await writeOut(terminal, options.to, async (write) => {
    const body = (await answer(
      backupsDownload({ client, path, query, parseAs: 'stream', signal }),
    )) as unknown as ReadableStream<Uint8Array>;
    try {
      for await (const piece of body) await write(Buffer.from(piece));
    } catch (cause) {
      signal.throwIfAborted();
      throw new RahatError('unavailable', 'The download broke off before its end; what came is not whole.', {
        cause,
        hint: 'The worker or the way to it was lost. Download it again.',
      });
    }
  });
}
