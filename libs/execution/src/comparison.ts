import {
  DEFINITION_CHARACTERS,
  MOST_DEFINITIONS,
  MOST_DIFFERENCES,
  type ComparedWith,
  type ComparisonEvidence,
  type ComparisonSpec,
  type RunSecrets,
} from '@rahat/contracts';
import { compareSnapshots, type ComparisonReport } from './compare.js';
import { openRepositoryToRead, sourceConnection, type ExecutionOptions } from './run-context.js';

/** A comparison as a run: its evidence tells what differs and holds no value of any row. */
export async function executeComparison(spec: ComparisonSpec, secrets: RunSecrets, options: ExecutionOptions): Promise<ComparisonEvidence> {
  options.onProgress({ phase: 'opening repository', bytes: 0 });
  const repository = await openRepositoryToRead(secrets, spec.repository, options);
  const { newer, snapshot, tables, schemaOnly } = spec;
  const report = await compareSnapshots(
    repository,
    {
      older: snapshot,
      newer: newer.kind === 'backup' ? newer.snapshot : { connection: sourceConnection(secrets), database: newer.name },
      schemaOnly,
      samples: 0,
      ...(tables && { tables: tables.map(({ schema, table }) => ({ schema, name: table })) }),
    },
    options,
    secrets,
  );
  return evidenceOf(report, newer);
}

function evidenceOf(report: ComparisonReport, newer: ComparedWith): ComparisonEvidence {
  return {
    type: 'comparison',
    snapshot: report.older.snapshot,
    newer,
    equal: report.equal,
    objects: {
      count: report.schema.length,
      first: report.schema.slice(0, MOST_DIFFERENCES).map(({ older, newer: now, ...object }, at) => ({
        ...object,
        ...(at < MOST_DEFINITIONS && { older: shortened(older), newer: shortened(now) }),
      })),
    },
    tables: {
      count: report.tables.length,
      unchanged: report.unchangedTables,
      first: report.tables.slice(0, MOST_DIFFERENCES).map(({ samples: _samples, name: table, ...counts }) => ({ ...counts, table })),
    },
    sequences: report.sequences.length,
    bytes: report.readBytes,
    findings: report.findings,
  };
}

function shortened(definition: string | null): string | null {
  if (definition === null || definition.length <= DEFINITION_CHARACTERS) return definition;
  return `${definition.slice(0, DEFINITION_CHARACTERS)}…`;
}
