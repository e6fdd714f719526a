import {
  type Assertion,
  type ErrorCode,
  type Finding,
  MOST_TABLES_READ,
  RahatError,
  type Recovery,
  type RunSecrets,
  type TableEvidence,
  type VerificationEvidence,
  type VerificationLevel,
  type VerificationSpec,
} from '@rahat/contracts';
import type { CheckReport, Manifest, Repository, WritableRepository } from '@rahat/repository';
import type { SnapshotSource } from './artifacts.js';
import { openChain, parentsOf } from './chain.js';
import { connectorFor } from './connectors.js';
import { openRecovery, recoveryEvidence } from './recovery.js';
import { connectorContext, type ExecutionOptions, jobOf, openRepositoryToRead, openRepositoryToWrite } from './run-context.js';

/** Says that the backup is damaged, as opposed to: the verification could not be made. */
const DAMAGE: readonly ErrorCode[] = [
  'repository_damaged',
  'repository_chunk_missing',
  'blob_not_found',
  'dump_truncated',
  'dump_invalid',
  'restore_mismatch',
  'restore_selection_empty',
];

/** BASIC opens no data, so it does with a credential that only writes. */
export type VerificationRequest = { engine: VerificationSpec['engine']; snapshot: string } & (
  { level: 'BASIC'; repository: WritableRepository } | ReadingLevel
);
interface ReadingLevel {
  level: Exclude<VerificationLevel, 'BASIC'>;
  repository: Repository;
  /** Asked in a test restore. */
  assertions?: readonly Assertion[];
  /** Of a test restore: the log is replayed as far as this. */
  recovery?: Recovery;
}
type ReadingRequest = VerificationRequest & ReadingLevel;

export async function executeVerification(
  spec: VerificationSpec,
  secrets: RunSecrets,
  options: ExecutionOptions,
): Promise<VerificationEvidence> {
  options.onProgress({ phase: 'opening repository', bytes: 0 });
  const { engine, level, snapshot, assertions, recovery } = spec;
  const request: VerificationRequest =
    level === 'BASIC'
      ? { engine, snapshot, level, repository: await openRepositoryToWrite(secrets, spec.repository, options) }
      : { engine, snapshot, level, assertions, recovery, repository: await openRepositoryToRead(secrets, spec.repository, options) };
  return verifySnapshot(request, secrets, options);
}

/** Damage is a finding of severity `blocker` in the evidence; whatever else hinders the verification is thrown. */
export async function verifySnapshot(
  request: VerificationRequest,
  secrets: RunSecrets,
  options: ExecutionOptions,
): Promise<VerificationEvidence> {
  const { repository, level, snapshot } = request;
  let manifest: Manifest;
  try {
    manifest = await repository.findSnapshot(snapshot);
  } catch (error) {
    return evidence(level, snapshot, { objectsExpected: 1, findings: [damageOf(error)] });
  }
  const seen = { objectsExpected: manifest.objects.length };
  try {
    switch (request.level) {
      case 'BASIC':
        return evidence(level, manifest.snapshot, { ...seen, ...(await checkBasics(repository, manifest, options)) });
      case 'DATABASE':
        return evidence(level, manifest.snapshot, { ...seen, ...(await checkContent(request, manifest, secrets, options)) });
      case 'FULL':
        return evidence(level, manifest.snapshot, { ...seen, ...(await testRestore(request, manifest, secrets, options)) });
    }
  } catch (error) {
    return evidence(level, manifest.snapshot, { ...seen, findings: [damageOf(error)] });
  }
}

type Checked = Pick<VerificationEvidence, 'objectsChecked' | 'bytes' | 'findings'> &
  Partial<Pick<VerificationEvidence, 'tables' | 'tablesRead' | 'restoredOn' | 'assertions' | 'recovery'>>;

/** Presence, sizes, hashes of the packs, decryption of the metadata; also of what the snapshot is restored upon. */
async function checkBasics(repository: WritableRepository, manifest: Manifest, options: ExecutionOptions): Promise<Checked> {
  const snapshots = [manifest, ...(await parentsOf(repository, manifest))].map(({ snapshot }) => snapshot);
  const reports: CheckReport[] = [];
  for (const level of ['structure', 'read-data'] as const) {
    const phase = level === 'structure' ? 'checking structure' : 'hashing packs';
    const onProgress = (progress: { checkedBytes: number; totalBytes: number }) =>
      options.onProgress({ phase, bytes: progress.checkedBytes, totalBytes: progress.totalBytes });
    options.onProgress({ phase, bytes: 0 });
    reports.push(await repository.check({ level, snapshots, signal: options.signal, onProgress }));
  }
  const damage = reports.flatMap((report) => report.problems.filter((problem) => problem.severity === 'damage'));
  const affected = new Set(
    damage.flatMap((problem) => problem.affects.filter((entry) => entry.snapshot === manifest.snapshot).flatMap((entry) => entry.objects)),
  );
  const findings = damage.map((problem): Finding => ({
    code: 'repository_damaged',
    severity: 'blocker',
    message: problem.message,
    object: problem.file,
  }));
  if (findings.length === 0 && reports.some((report) => !report.healthy)) {
    findings.push({ code: 'repository_damaged', severity: 'blocker', message: 'The repository is not healthy', object: manifest.snapshot });
  }
  return {
    objectsChecked: manifest.objects.length - affected.size,
    bytes: Math.max(...reports.map((report) => report.checkedBytes)),
    findings,
  };
}

async function checkContent(request: ReadingRequest, manifest: Manifest, secrets: RunSecrets, options: ExecutionOptions): Promise<Checked> {
  const connector = await connectorFor(request.engine);
  await using session = await request.repository.beginReading({ signal: options.signal });
  const source = await openChain(request.repository, manifest, session, { signal: options.signal, gate: options.gate, verifyChunks: true });
  const job = jobOf(options, secrets);
  const check = await connector.checkContent(source, connectorContext(options), job);
  await readTheRest(source, options);
  return { objectsChecked: source.readKeys.size, bytes: source.readBytes, findings: asDamage(check.findings) };
}

async function testRestore(request: ReadingRequest, manifest: Manifest, secrets: RunSecrets, options: ExecutionOptions): Promise<Checked> {
  const connector = await connectorFor(request.engine);
  await using session = await request.repository.beginReading({ signal: options.signal });
  const source = await openChain(request.repository, manifest, session, { signal: options.signal, gate: options.gate, verifyChunks: true });
  const recovery = request.recovery && (await openRecovery(request.repository, request.recovery, session, options));
  const facts = await connector.testRestore(source, connectorContext(options), jobOf(options, secrets), request.assertions, recovery);
  await readTheRest(source, options);
  const tables: TableEvidence[] = facts.tables;
  const findings = [...facts.findings, ...mismatches(tables)];
  // A test restore that compared nothing proves nothing, whatever it reports.
  if (tables.length === 0 && manifest.objects.some((object) => object.kind === 'rows')) {
    findings.push({
      code: 'nothing_compared',
      severity: 'blocker',
      message: 'The test restore compared no table, but the backup holds rows',
    });
  }
  return {
    objectsChecked: source.readKeys.size,
    bytes: source.readBytes,
    tables,
    tablesRead: facts.tablesRead
      ?.slice(0, MOST_TABLES_READ)
      .map(({ database, schema, table, rows }) => ({ database, schema, table, rows })),
    restoredOn: facts.restoredOn,
    assertions: facts.assertions,
    ...recoveryEvidence(request.recovery, facts),
    findings,
  };
}

function mismatches(tables: TableEvidence[]): Finding[] {
  return tables
    .filter((table) => !table.matches)
    .map((table) => ({
      code: 'restore_mismatch',
      severity: 'blocker',
      message: `${table.schema}.${table.table} has ${table.actualRows} rows after the test restore, ${table.expectedRows} were backed up${table.actualRows === table.expectedRows ? ', and their content differs' : ''}`,
      object: `${table.schema}.${table.table}`,
    }));
}

/** Objects that the connector had no use for are part of the backup too. */
async function readTheRest(source: SnapshotSource, options: ExecutionOptions): Promise<void> {
  for (const artifact of source.unread) {
    for await (const _bytes of source.read(artifact))
      options.onProgress({ phase: 'decoding', object: artifact.key, bytes: source.readBytes });
  }
}

/** connector-kit: a gap in checked content means that the backup is damaged. */
function asDamage(findings: Finding[]): Finding[] {
  return findings.map((finding) => (finding.severity === 'gap' ? { ...finding, severity: 'blocker' } : finding));
}

function damageOf(error: unknown): Finding {
  if (!(error instanceof RahatError) || !(DAMAGE.includes(error.code) || error.code === 'snapshot_not_found')) throw error;
  return { code: error.code, severity: 'blocker', message: error.message, fix: error.hint };
}

function evidence(
  level: VerificationLevel,
  snapshot: string,
  seen: Partial<VerificationEvidence> & { objectsExpected: number },
): VerificationEvidence {
  return { type: 'verification', level, snapshot, objectsChecked: 0, bytes: 0, tables: [], findings: [], ...seen };
}
