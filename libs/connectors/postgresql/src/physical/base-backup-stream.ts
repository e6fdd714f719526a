import { RahatError } from '@rahat/contracts';
import { type Joined, readText, type Row } from './protocol/messages.js';
import type { CommandEvent, WalsenderClient } from './walsender-client.js';

export interface BaseBackupOptions {
  label: string;
  maxRateKilobytesPerSecond?: number;
  /** The manifest of the backup that this one is taken upon was uploaded on the same connection. */
  incremental?: boolean;
}

export interface Tablespace {
  oid: string;
  location: string;
}

/** An archive of the data directory (`tablespace` absent) or of one tablespace, or the manifest at the end. Bodies lend their pieces. */
export type BackupPart =
  { kind: 'archive'; tablespace?: Tablespace; body: AsyncIterable<Buffer> } | { kind: 'manifest'; body: AsyncIterable<Buffer> };

export interface BackupPosition {
  position: string;
  timeline: number;
}

/** Kind of message that holds bytes of an archive or of the manifest. */
const DATA = 0x64;

type Item = { type: 'archive'; tablespace?: Tablespace } | { type: 'manifest' } | { type: 'data'; data: Buffer };

/** BASE_BACKUP of both grammars: PostgreSQL 15 sends all in one copy with typed messages, 13 and 14 one copy per archive. */
export class BaseBackupStream {
  /** Known once the first part came. */
  start?: BackupPosition;
  tablespaces: Tablespace[] = [];
  estimatedBytes = 0;
  /** Known when the parts have ended. */
  end?: BackupPosition;

  constructor(
    private readonly client: WalsenderClient,
    private readonly options: BaseBackupOptions,
  ) {}

  async *parts(): AsyncGenerator<BackupPart> {
    const items = this.client.serverMajor >= 15 ? this.typedItems() : this.legacyItems();
    let item = await items.next();
    while (!item.done) {
      if (item.value.type === 'data') throw new RahatError('dump_invalid', 'The server sent data that belongs to no archive');
      const head = item.value;
      const body = (async function* () {
        for (item = await items.next(); !item.done && item.value.type === 'data'; item = await items.next()) yield item.value.data;
      })();
      yield head.type === 'archive' ? { kind: 'archive', tablespace: head.tablespace, body } : { kind: 'manifest', body };
      for await (const data of body)
        if (data.length > 0) throw new RahatError('dump_invalid', 'A part of the base backup was not read to its end');
    }
  }

  private async *typedItems(): AsyncGenerator<Item> {
    const { label, maxRateKilobytesPerSecond, incremental = false } = this.options;
    const rate = maxRateKilobytesPerSecond === undefined ? '' : `, MAX_RATE ${maxRateKilobytesPerSecond}`;
    const command =
      `BASE_BACKUP (LABEL ${quote(label)}, PROGRESS true, CHECKPOINT 'fast', WAL true, WAIT false${rate}${incremental ? ', INCREMENTAL' : ''}, ` +
      `TABLESPACE_MAP true, VERIFY_CHECKSUMS true, MANIFEST 'yes', MANIFEST_CHECKSUMS 'SHA256')`;
    let kind = '';
    for await (const event of this.events(command, DATA)) {
      if (event.type !== 'copyData') continue;
      if (event.continued) {
        // Only data comes in messages so long that they are handed on in pieces.
        if (kind !== 'd') throw new RahatError('dump_invalid', `The server sent an overlong backup message of kind "${kind}"`);
        yield { type: 'data', data: event.data };
        continue;
      }
      kind = String.fromCharCode(event.data[0] ?? 0);
      if (kind === 'd') yield { type: 'data', data: event.data.subarray(1) };
      else if (kind === 'm') yield { type: 'manifest' };
      else if (kind === 'n') {
        const name = readText(event.data, 1);
        const location = readText(event.data, name.next).text;
        yield { type: 'archive', ...(location ? { tablespace: { oid: name.text.replace(/\.tar$/, ''), location } } : {}) };
      } else if (kind !== 'p') throw new RahatError('dump_invalid', `The server sent an unknown kind of backup message: "${kind}"`);
    }
  }

  private async *legacyItems(): AsyncGenerator<Item> {
    const { label, maxRateKilobytesPerSecond } = this.options;
    const rate = maxRateKilobytesPerSecond === undefined ? '' : ` MAX_RATE ${maxRateKilobytesPerSecond}`;
    const command = `BASE_BACKUP LABEL ${quote(label)} PROGRESS FAST WAL NOWAIT${rate} TABLESPACE_MAP MANIFEST 'yes' MANIFEST_CHECKSUMS 'SHA256'`;
    let copies = 0;
    for await (const event of this.events(command, 'any')) {
      if (event.type === 'copyData') yield { type: 'data', data: event.data };
      if (event.type !== 'copyStart') continue;
      // One copy per row of the tablespace list; the data directory is its last row. The manifest follows.
      if (copies > this.tablespaces.length) yield { type: 'manifest' };
      else yield { type: 'archive', tablespace: this.tablespaces[copies] };
      copies++;
    }
  }

  /** Takes the start, the list of tablespaces and the end out of the results around the copies. */
  private async *events(command: string, joined: Joined): AsyncGenerator<CommandEvent> {
    let result = 0;
    let copied = false;
    for await (const event of this.client.command(command, joined)) {
      if (event.type === 'result') result++;
      else if (event.type === 'row' && copied) this.end = backupPosition(event.row);
      else if (event.type === 'row' && result === 1) this.start = backupPosition(event.row);
      else if (event.type === 'row') this.addTablespace(event.row);
      else {
        copied ||= event.type === 'copyStart';
        yield event;
      }
    }
  }

  private addTablespace([oid, location, kilobytes]: Row): void {
    this.estimatedBytes += Number(kilobytes ?? 0) * 1024;
    if (oid && location) this.tablespaces.push({ oid, location });
  }
}

function backupPosition([position, timeline]: Row): BackupPosition {
  if (!position || !timeline) throw new RahatError('dump_invalid', 'The server did not tell where in its log the backup stands');
  return { position, timeline: Number(timeline) };
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
