import { embeddedToolFolders, type ComparisonOrder, type ComparisonReport } from '@rahat/execution';
import { EXIT } from '../exit-codes.js';
import { bytes, visible } from '../terminal/format.js';
import { untilInterrupted } from '../terminal/interrupt.js';
import type { Terminal } from '../terminal/terminal.js';
import { databaseAddress } from './database-address.js';
import { fillNewFile } from './new-file.js';
import { offlineProgress } from './offline-progress.js';
import { openOffline, type KitOpening } from './open-offline.js';
import { parseTableName } from './table-names.js';

export interface CompareOptions extends KitOpening {
  older: string;
  newer: string;
  database?: string;
  table?: string[];
  schemaOnly: boolean;
  samples: number;
  undo?: string;
}

export async function compareBackups(terminal: Terminal, options: CompareOptions): Promise<void> {
  const { older, database, schemaOnly, samples, undo } = options;
  const tables = options.table?.map(parseTableName).map(({ schema, table }) => ({ schema, name: table }));
  const repository = await openOffline(options);
  const newer = database === undefined ? options.newer : await databaseAddress(database, 'Password of the database’s user');
  const order: ComparisonOrder = { older, newer, schemaOnly, samples, ...(tables && { tables }) };
  const compare = (write?: (piece: Buffer) => Promise<void>): Promise<ComparisonReport> =>
    repository.compare(write ? { ...order, undo: { write } } : order, {
      signal: untilInterrupted('Cancelled; nothing was changed.'),
      toolFolders: embeddedToolFolders(),
      onProgress: offlineProgress(terminal),
    });
  const report = undo === undefined ? await compare() : await fillNewFile(undo, compare);
  terminal.result(report, reportText(report, terminal));
  if (!report.equal) process.exitCode = EXIT.wouldChange;
}

function reportText(report: ComparisonReport, terminal: Terminal): string {
  const newer = 'database' in report.newer ? `database ${visible(report.newer.database)}` : report.newer.snapshot;
  const lines = [
    ...report.schema.map(
      ({ change, type, schema, name }) => `${sign(change, terminal)} ${type} ${visible(schema === '' ? name : `${schema}.${name}`)}`,
    ),
    ...report.sequences.map(
      ({ schema, name, older, newer: now }) => `~ SEQUENCE ${visible(`${schema}.${name}`)}: ${older ?? '–'} → ${now ?? '–'}`,
    ),
    ...report.tables.flatMap((table) => tableLines(table, terminal)),
    ...report.findings.map(({ severity, object, message }) => `${severity}: ${object ? `${visible(object)}: ` : ''}${message}`),
  ];
  const verdict = report.equal
    ? terminal.paint('green', 'No difference')
    : `${report.schema.length} objects, ${report.tables.length} tables and ${report.sequences.length} sequences differ`;
  return [
    ...lines,
    `${verdict} from ${report.older.snapshot} to ${newer}; ${report.unchangedTables} tables are the same, ${bytes(report.readBytes)} were read.`,
  ].join('\n');
}

const SIGNS = { added: ['green', '+'], removed: ['red', '-'], changed: ['yellow', '~'] } as const;

function sign(change: keyof typeof SIGNS, terminal: Terminal): string {
  const [colour, text] = SIGNS[change];
  return terminal.paint(colour, text);
}

function tableLines(
  { schema, name, inserted, deleted, changed, samples }: ComparisonReport['tables'][number],
  terminal: Terminal,
): string[] {
  const show = (row: Record<string, string | null>): string =>
    Object.entries(row)
      .map(([column, value]) => `${visible(column)}=${value === null ? 'NULL' : visible(value)}`)
      .join(' ');
  const change = (columns: (typeof samples.changed)[number]['columns']): string =>
    Object.entries(columns)
      .map(([column, { older, newer }]) => `${visible(column)}: ${visible(older ?? 'NULL')} → ${visible(newer ?? 'NULL')}`)
      .join(', ');
  return [
    `${visible(`${schema}.${name}`)}: ${inserted} inserted, ${deleted} deleted, ${changed} changed`,
    ...samples.inserted.map((row) => `  ${sign('added', terminal)} ${show(row)}`),
    ...samples.deleted.map((row) => `  ${sign('removed', terminal)} ${show(row)}`),
    ...samples.changed.map(({ key, columns }) => `  ${sign('changed', terminal)} ${show(key)}  ${change(columns)}`),
  ];
}
