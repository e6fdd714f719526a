import type { Finding, MergedTable, RestoreEvidence } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { comparison } from './comparison.js';
import { visible } from './format.js';
import type { Terminal } from './terminal.js';

/** What a restore would do, as the platform or the database tells it. */
interface Outline {
  steps: string[];
  overwrites: string[];
  findings: Finding[];
}

export function outlineLines(terminal: Terminal, { steps, overwrites, findings }: Outline, becomes: 'set aside' | 'changed'): string[] {
  return [
    ...steps.map((step, index) => `  ${index + 1}. ${visible(step)}`),
    ...overwrites.map((name) => terminal.paint('yellow', `  ! will be ${becomes}: ${visible(name)}`)),
    ...findings.map(
      ({ severity, message, fix }) => `  ${severity}: ${visible(message)}${fix ? ` → ${fix.split('\n').map(visible).join('\n')}` : ''}`,
    ),
  ];
}

/** Of a dry run, which has failed where something stands in the way. */
export function tellOutline(terminal: Terminal, outline: Outline, becomes: 'set aside' | 'changed'): void {
  terminal.result(outline, outlineLines(terminal, outline, becomes).join('\n'));
  if (outline.findings.some(({ severity }) => severity === 'blocker')) process.exitCode = EXIT.failed;
}

/** What a restore into a live database, or its undo, changed; `created` says what became of tables that the restore makes. */
export function mergedLines(merged: readonly MergedTable[], created: 'made' | 'dropped'): string[] {
  return merged.map((table) => {
    const changes = [
      ...(table.created ? [created] : []),
      ...told(table.inserted, 'inserted'),
      ...told(table.updated, 'updated'),
      ...told(table.removed, 'removed'),
    ];
    return `  ${visible(`${table.schema}.${table.table}`)}: ${changes.join(', ') || 'nothing to change'}`;
  });
}

function told(rows: number, what: string): string[] {
  return rows > 0 ? [`${rows} rows ${what}`] : [];
}

/** Where it went, and what was compared there. A restore that brought no rows compared none. */
export function restoredInWords(
  { target, tables, bytes, merged }: Pick<RestoreEvidence, 'target' | 'tables' | 'bytes' | 'merged'>,
  what?: string,
): string {
  const compared = merged && tables.length === 0 ? 'no rows' : comparison({ tables, bytes });
  return `Restored ${what === undefined ? '' : `${what} `}to ${visible(target)}: ${compared}.`;
}

export interface Ended {
  database: string;
  /** The safety copy. */
  schema: string;
  action: 'undo' | 'drop';
  merged: readonly MergedTable[];
  findings: readonly Finding[];
}

export function endedInWords({ database, schema, action, merged, findings }: Ended): string {
  if (findings.some(({ code }) => code === 'safety_copy_gone')) return `${visible(database)} holds no ${visible(schema)} any more.`;
  if (action === 'drop') return `Dropped ${visible(schema)} of ${visible(database)}: that restore can't be undone any more.`;
  return [`Put back in ${visible(database)} what was there before the restore:`, ...mergedLines(merged, 'dropped')].join('\n');
}
