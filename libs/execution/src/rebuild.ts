import {
  joinedRanges,
  MOST_FINDINGS_FOUND,
  MOST_FOUND_AT_ONCE,
  MOST_RANGES_AT_ONCE,
  MOST_SNAPSHOTS_NAMED,
  noRebuildCounts,
  RahatError,
  type Finding,
  type FoundLog,
  type FoundSnapshot,
  type MissingBackups,
  type RebuildEvidence,
  type RebuildSpec,
  ReadableSnapshot,
  type RebuiltSnapshot,
  type RunSecrets,
} from '@rahat/contracts';
import type { CatalogEntry, WritableRepository } from '@rahat/repository';
import { openRepositoryToWrite, type ExecutionOptions } from './run-context.js';

/** Whoever keeps the catalog: takes a page of what was found, and says what became of it. */
export type TellFound = (
  snapshots: FoundSnapshot[],
  last: boolean,
  logs?: FoundLog[],
) => Promise<{ snapshots: RebuiltSnapshot[]; missing?: MissingBackups; logsRecorded?: number }>;

/** Tells the catalog what the repository holds, page by page; metadata alone is read. */
export async function executeRebuild(spec: RebuildSpec, secrets: RunSecrets, options: ExecutionOptions): Promise<RebuildEvidence> {
  const { onFound, onProgress, signal } = options;
  if (!onFound) throw new RahatError('message_invalid', 'Nobody here keeps a catalog that could be rebuilt');
  onProgress({ phase: 'opening repository', bytes: 0 });
  let bytes = 0;
  const repository = await openRepositoryToWrite(secrets, spec.repository, options, (name, moved) => {
    bytes += moved;
    onProgress({ phase: 'reading manifests', object: name, bytes });
  });
  const report = new RebuildReport(spec);
  const tell = async (page: FoundSnapshot[], last: boolean) => {
    signal.throwIfAborted();
    report.add(await onFound(page, last));
  };
  let page: FoundSnapshot[] = [];
  for await (const entry of repository.catalog({ signal })) {
    page.push(foundIn(entry));
    if (page.length < MOST_FOUND_AT_ONCE) continue;
    await tell(page, false);
    page = [];
  }
  const logs = await foundLogs(repository, report, signal);
  if (logs.length > 0 && page.length > 0) {
    await tell(page, false);
    page = [];
  }
  for (let start = 0; start < logs.length; start += LOGS_AT_ONCE) {
    signal.throwIfAborted();
    const some = logs.slice(start, start + LOGS_AT_ONCE);
    report.addLogs(some, await onFound([], false, some));
  }
  await tell(page, true);
  const { outcomes, missing } = report.evidence;
  options.onLog(
    'info',
    `${report.evidence.found} snapshots found: ${outcomes.recorded + outcomes.recordedInTrash} ${spec.dryRun ? 'would be recorded' : 'recorded'}, ${outcomes.known} known already, ${outcomes.unreadable} unreadable; ${missing.count} backups of the catalog are not there`,
  );
  return report.evidence;
}

const FINDINGS_TOLD = 100;
/** A stream with many gaps is a large message. */
const LOGS_AT_ONCE = 10;

/** What is damaged is told, and is a hole in what is there. */
async function foundLogs(repository: WritableRepository, report: RebuildReport, signal: AbortSignal): Promise<FoundLog[]> {
  const streams = new Map<string, FoundLog>();
  for await (const listing of repository.logs({ signal })) {
    if (!listing.ok) {
      report.addDamaged(listing.id, listing.error);
      continue;
    }
    const { stream, organization, server, engine, range } = listing.manifest;
    const known = streams.get(stream);
    if (known) known.ranges.push(...joinedRanges([...known.ranges.splice(-1), range]));
    else streams.set(stream, { stream, organization, server, engine, ranges: [range] });
  }
  return [...streams.values()].map((log) => ({ ...log, ranges: log.ranges.slice(-MOST_RANGES_AT_ONCE) }));
}

class RebuildReport {
  readonly evidence: RebuildEvidence;

  constructor({ repository, dryRun }: RebuildSpec) {
    this.evidence = {
      type: 'rebuild',
      repository,
      dryRun,
      found: 0,
      outcomes: noRebuildCounts(),
      snapshots: [],
      missing: { count: 0, backups: [] },
      findings: [],
    };
  }

  addLogs(found: readonly FoundLog[], { logsRecorded = 0 }: Awaited<ReturnType<TellFound>>): void {
    const { logs = { found: 0, recorded: 0 } } = this.evidence;
    this.evidence.logs = { found: logs.found + found.length, recorded: logs.recorded + logsRecorded };
  }

  addDamaged(log: string, error: Error): void {
    if (this.evidence.findings.length < FINDINGS_TOLD)
      this.evidence.findings.push({ code: 'log_unreadable', severity: 'gap', object: log, message: error.message });
  }

  add({ snapshots, missing }: Awaited<ReturnType<TellFound>>): void {
    this.evidence.found += snapshots.length;
    for (const told of snapshots) {
      this.evidence.outcomes[told.outcome] += 1;
      if (told.outcome !== 'known' && this.evidence.snapshots.length < MOST_SNAPSHOTS_NAMED) this.evidence.snapshots.push(told);
    }
    this.evidence.findings.push(...snapshots.flatMap(findingsIn).slice(0, FINDINGS_TOLD - this.evidence.findings.length));
    if (missing) this.evidence.missing = missing;
  }
}

function findingsIn({ snapshot, outcome, reason = '' }: RebuiltSnapshot): Finding[] {
  if (outcome !== 'unreadable' && outcome !== 'foreign') return [];
  return [{ code: `snapshot_${outcome}`, severity: 'gap', object: snapshot, message: reason }];
}

function foundIn(entry: CatalogEntry): FoundSnapshot {
  const where = { snapshot: entry.id, place: entry.place, storedAt: entry.storedAt.toISOString() };
  if (!entry.ok) return { ...where, readable: false, error: { code: entry.error.code, message: entry.error.message } };
  const { facts, objects, rows } = entry;
  return {
    ...where,
    readable: true,
    run: facts.run,
    attempt: facts.attempt,
    organization: facts.organization,
    ...(facts.plan ? { plan: facts.plan } : {}),
    server: facts.server,
    ...(facts.database ? { database: facts.database } : {}),
    engine: facts.engine,
    method: facts.method,
    label: facts.label,
    ...(facts.parent !== undefined ? { parent: facts.parent } : {}),
    consistency: facts.consistency,
    consistentAt: facts.consistentAt,
    positions: facts.positions,
    createdAt: facts.createdAt,
    tool: facts.tool,
    findings: facts.findings.slice(0, MOST_FINDINGS_FOUND),
    objects,
    rows,
    sizeBytes: facts.sizeBytes,
    addedBytes: facts.addedBytes,
    evidence: evidenceIn(facts.evidence),
  };
}

/** The manifest is a document of its writer's; whatever is not as it should be counts as not said. */
function evidenceIn(told: Record<string, unknown>): ReadableSnapshot['evidence'] {
  const { shape } = ReadableSnapshot.shape.evidence;
  return Object.fromEntries(
    Object.entries(shape).flatMap(([name, schema]) => {
      const { success, data } = schema.safeParse(told[name]);
      return success && data !== undefined ? [[name, data]] : [];
    }),
  );
}
