import type { Job, TableDifference } from '@rahat/connector-kit';
import type { TableShape } from '../decode/table-shape.js';
import { readableFrom } from '../decode/text-encoding.js';
import { nameOf, type ComparedDatabase } from './compared-database.js';
import { differingRows } from './differing-rows.js';
import { type RowLayout, layoutOf, rewritten } from './row-layout.js';
import { RowSamples } from './row-samples.js';
import type { ScratchSpace } from './row-spill.js';
import type { UndoRows, UndoneTable } from './undo-rows.js';
import type { UndoSpool } from './undo-spool.js';
import { unsharedSpans } from './unshared-spans.js';

/** A worker's child has 192 MB for everything. */
const MEMORY_BYTES = 40_000_000;

export interface TablePair {
  older: TableShape;
  newer: TableShape;
}

export interface RowComparison {
  older: ComparedDatabase;
  newer: ComparedDatabase;
  space: ScratchSpace;
  samples: number;
  undo?: { spool: UndoSpool; rows(layout: RowLayout): UndoRows };
}

/** Rows of a table that stands on both sides. Nothing when all are the same, which hashes and chunk lists tell mostly without reading. */
export async function compareTable(
  pair: TablePair,
  comparison: RowComparison,
  job: Job,
): Promise<{ difference: TableDifference; undone?: UndoneTable } | undefined> {
  const { older, newer } = comparison;
  const [before, after] = [await older.sum(pair.older.data), await newer.sum(pair.newer.data)];
  const layout = layoutOf(pair.older, pair.newer);
  const sameColumns = pair.older.columns.join('\0') === pair.newer.columns.join('\0');
  if (sameColumns && before.rows === after.rows && before.rowHash === after.rowHash) return undefined;

  const samples = new RowSamples(layout, comparison.samples, readableFrom(older.facts.encoding));
  const undo = comparison.undo?.rows(layout);
  const spool = comparison.undo?.spool;
  const sink = {
    inserted: (row: string, count: number) => {
      samples.inserted(row, count);
      undo?.inserted(row, count);
    },
    deleted: (row: string, count: number) => {
      samples.deleted(row, count);
      undo?.deleted(row, count);
    },
    changed: (olderRow: string, newerRow: string) => {
      samples.changed(olderRow, newerRow);
      undo?.changed(olderRow, newerRow);
    },
    drain: () => (spool?.full ? spool.flush() : undefined),
  };
  job.progress({ phase: 'compare', object: nameOf(pair.older.data), bytes: 0 });
  const { left, right } = await rowsToRead(pair, comparison, layout, sameColumns);
  await differingRows(left, right, { key: layout.keyOf, sink, space: comparison.space, memoryBytes: MEMORY_BYTES }, job);
  const undone = await undo?.finish();
  const { told } = samples;
  if (told.inserted + told.deleted + told.changed === 0) return undefined;
  const readable = readableFrom(older.facts.encoding);
  const difference: TableDifference = {
    schema: pair.older.data.namespace,
    name: pair.older.data.tag,
    key: layout.key.map(readable),
    olderRows: before.rows,
    newerRows: after.rows,
    ...told,
  };
  return { difference, ...(undone && { undone }) };
}

/** Chunk lists tell what is the same; rows that have to be rewritten first are read whole. */
async function rowsToRead(
  pair: TablePair,
  { older, newer }: RowComparison,
  layout: RowLayout,
  sameColumns: boolean,
): Promise<{ left: AsyncIterable<Buffer>; right: AsyncIterable<Buffer> }> {
  if (sameColumns && older.stored && newer.stored) {
    const spans = await unsharedSpans(older.stored(pair.older.data), newer.stored(pair.newer.data));
    return { left: older.rows(pair.older.data, spans.older), right: newer.rows(pair.newer.data, spans.newer) };
  }
  const left = older.rows(pair.older.data);
  const right = newer.rows(pair.newer.data);
  return {
    left: layout.rewrite.older ? rewritten(left, layout.rewrite.older) : left,
    right: layout.rewrite.newer ? rewritten(right, layout.rewrite.newer) : right,
  };
}
