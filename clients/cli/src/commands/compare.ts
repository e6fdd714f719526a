import { comparisonsStart } from '@rahat/api-client';
import { ComparisonEvidence } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { answer, openApi } from '../session/api.js';
import { followRun, judgeRun } from '../session/follow-run.js';
import { bytes, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findBackup } from './backups.js';
import { parseTableName } from './table-names.js';

export interface CompareOnPlatform {
  table?: string[];
  schemaOnly: boolean;
  follow: boolean;
}

/** By a worker of the platform; values of rows stay with it. */
export async function compareBackup(
  terminal: Terminal,
  olderName: string,
  newerName: string | undefined,
  { table, schemaOnly, follow }: CompareOnPlatform,
): Promise<void> {
  const tables = table?.map(parseTableName);
  const api = await openApi();
  const older = await findBackup(api, olderName);
  const newer = newerName === undefined ? undefined : (await findBackup(api, newerName)).id;
  const body = { older: older.id, schemaOnly, ...(newer && { newer }), ...(tables && { tables }) };
  const started = await answer(comparisonsStart({ client: api.client, body }));
  if (!follow) {
    terminal.result(started, `Started ${started.id}`);
    return;
  }
  const run = await followRun(api, terminal, started.id, 'comparison');
  const evidence = ComparisonEvidence.safeParse(run.evidence);
  terminal.result(run, evidence.success ? reportText(evidence.data) : run.reasons.join('\n'));
  judgeRun(run);
  if (evidence.success && !evidence.data.equal) process.exitCode ??= EXIT.wouldChange;
}

function reportText({ equal, objects, tables, sequences, bytes: read, findings }: ComparisonEvidence): string {
  const lines = [
    ...objects.first.map(({ change, type, schema, name }) => `${change} ${type} ${visible(schema === '' ? name : `${schema}.${name}`)}`),
    ...tables.first.map(
      ({ schema, table, inserted, deleted, changed }) =>
        `${visible(`${schema}.${table}`)}: ${inserted} inserted, ${deleted} deleted, ${changed} changed`,
    ),
    ...findings.map(({ severity, object, message }) => `${severity}: ${object ? `${visible(object)}: ` : ''}${message}`),
  ];
  const verdict = equal ? 'No difference' : `${objects.count} objects, ${tables.count} tables and ${sequences} sequences differ`;
  return [...lines, `${verdict}; ${tables.unchanged} tables are the same, ${bytes(read)} were read.`].join('\n');
}
