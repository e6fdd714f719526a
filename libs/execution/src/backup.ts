import { type BackupFacts, type BackupRequest, fullInstead, type ParentBackup } from '@rahat/connector-kit';
import {
  attemptLabel,
  type BackupEvidence,
  type BackupSpec,
  type Finding,
  RahatError,
  type RunSecrets,
  type SourceTaken,
  type ThrottleFacts,
  typeOfLabel,
} from '@rahat/contracts';
import type { Manifest, SnapshotFacts, WritableRepository } from '@rahat/repository';
import { factsOf, repositorySink } from './artifacts.js';
import { parentsOf } from './chain.js';
import { connectorFor } from './connectors.js';
import { connectorContext, type ExecutionOptions, jobOf, openRepositoryToWrite } from './run-context.js';
import { takeSource } from './take-source.js';

/** The part of a backup spec that says what and where to. */
export type BackupOrder = Omit<BackupSpec, 'version' | 'deadline' | 'noProgressSeconds' | 'sealedSecrets'>;

/** One read of the source into one repository. Resolves only when the committed snapshot was read again and is whole. */
export async function executeBackup(spec: BackupOrder, secrets: RunSecrets, options: ExecutionOptions): Promise<BackupEvidence> {
  options.onProgress({ phase: 'opening repository', bytes: 0 });
  const repository = await openRepositoryToWrite(secrets, spec.repository, options);
  const before = await committedBefore(spec, repository);
  const { manifest, source, throttle } = before ? { manifest: before } : await streamAndCommit(spec, secrets, repository, options);
  const facts = factsOf(manifest);
  options.onProgress({ phase: 'reading back', bytes: facts.evidence.bytes, addedBytes: manifest.addedBytes });
  await readBack(repository, manifest, options.signal);
  options.onLog(
    'info',
    `Snapshot ${manifest.snapshot} is stored: ${manifest.objects.length} objects, ${manifest.sizeBytes} bytes, ${manifest.addedBytes} of them new`,
  );
  return {
    type: 'backup',
    ...facts.evidence,
    addedBytes: manifest.addedBytes,
    committed: true,
    snapshot: manifest.snapshot,
    repository: spec.repository,
    label: facts.label,
    ...(manifest.parent !== undefined && { parent: manifest.parent }),
    consistency: facts.consistency,
    consistentAt: facts.consistentAt,
    positions: facts.positions,
    serverIdentity: facts.identity,
    serverVersion: facts.serverVersion,
    tool: facts.tool,
    ...(source ? { source } : {}),
    ...(throttle ? { throttle } : {}),
    findings: facts.findings,
  };
}

interface Streamed {
  manifest: Manifest;
  /** How it was read is told once, by the attempt that did; the snapshot doesn't hold it. */
  source?: SourceTaken;
  throttle?: ThrottleFacts;
}

async function streamAndCommit(
  spec: BackupOrder,
  secrets: RunSecrets,
  repository: WritableRepository,
  options: ExecutionOptions,
): Promise<Streamed> {
  const connector = await connectorFor(spec.engine);
  options.onProgress({ phase: 'connecting', bytes: 0 });
  const { connection, taken } = await takeSource(connector, spec, secrets, options);
  await using source = await connector.open(connection, connectorContext(options));
  const upon = await openParent(spec, repository);
  const request: BackupRequest = {
    method: spec.method,
    type: spec.backupType,
    parent: upon.parent,
    database: spec.database?.name,
    deep: spec.deep,
    label: attemptLabel(spec),
    ...(spec.sourceLimits ? { limits: spec.sourceLimits } : {}),
  };

  options.onProgress({ phase: 'checking rights', bytes: 0 });
  // A look only: to wait for a server that hangs would only delay a cancel.
  const foreseen = await orAborted(source.preflight(request), options.signal);
  refuseBlocked(foreseen);
  for (const finding of foreseen) options.onLog(finding.severity === 'info' ? 'info' : 'warning', finding.message);

  await using session = await repository.beginWriting({
    writer: options.workerName,
    signal: options.signal,
    sourceBytes: spec.sourceBytes,
  });
  const sink = repositorySink(session, options);
  const seen = await source.backup(
    request,
    sink,
    jobOf(options, secrets, () => session.progress().addedBytes),
  );
  refuseIncomplete(seen, sink.objects.length);
  const facts = { ...seen, findings: distinct([...foreseen, ...upon.findings, ...seen.findings]) };
  options.signal.throwIfAborted();
  options.onProgress({ phase: 'committing', bytes: facts.evidence.bytes, addedBytes: session.progress().addedBytes });
  const manifest = await session.commit(spec.snapshot, snapshotFacts(spec, facts, restsUpon(facts, upon.parent)), sink.objects);
  return { manifest, source: taken, throttle: seen.throttle };
}

interface Foundation {
  /** Its metadata alone is read, which a credential that only writes can. */
  parent?: ParentBackup & { snapshot: string };
  findings: Finding[];
}

/** What the scheduler named; where it is gone or damaged by now, the run takes a full backup by itself. */
async function openParent(spec: BackupOrder, repository: WritableRepository): Promise<Foundation> {
  if (spec.parent === undefined) return { findings: spec.fullBecause === undefined ? [] : [fullInstead(spec.fullBecause)] };
  try {
    const manifest = await repository.findSnapshot(spec.parent);
    await parentsOf(repository, manifest);
    return { parent: { snapshot: manifest.snapshot, artifacts: manifest.objects, facts: factsOf(manifest) }, findings: [] };
  } catch (error) {
    const { code, message } = RahatError.from(error);
    if (code !== 'snapshot_not_found' && code !== 'repository_damaged') throw error;
    return { findings: [fullInstead(message)] };
  }
}

/** The connector's word counts: it may have taken a full one. */
function restsUpon({ label }: BackupFacts, parent: Foundation['parent']): string | undefined {
  return typeOfLabel(label) === 'full' ? undefined : parent?.snapshot;
}

/** repository.md §12: a worker may have died after the commit and before the report; its redelivered attempt adopts the snapshot. */
async function committedBefore(spec: BackupOrder, repository: WritableRepository): Promise<Manifest | undefined> {
  try {
    const manifest = await repository.findSnapshot(spec.snapshot);
    return manifest.run === spec.run && manifest.attempt === spec.attempt ? manifest : undefined;
  } catch (error) {
    if (error instanceof RahatError && error.code === 'snapshot_not_found') return undefined;
    throw error;
  }
}

function snapshotFacts(spec: BackupOrder, facts: BackupFacts, parent: string | undefined): SnapshotFacts {
  const { label, consistency, positions, consistentAt, findings, tool } = facts;
  return {
    run: spec.run,
    attempt: spec.attempt,
    organization: spec.organization,
    ...(spec.plan && { plan: spec.plan }),
    server: { id: spec.server.id, name: spec.server.name, identity: facts.identity, version: facts.serverVersion },
    ...(spec.database && { database: spec.database }),
    engine: spec.engine,
    method: spec.method,
    label,
    ...(parent !== undefined && { parent }),
    consistency,
    positions,
    consistentAt,
    findings,
    tool,
    evidence: { ...facts.evidence },
  };
}

/** A storage that answered "kept" and didn't keep is found here, before anything is reported (reliability.md §4). */
async function readBack(repository: WritableRepository, committed: Manifest, signal: AbortSignal): Promise<void> {
  const found = await repository.findSnapshot(committed.snapshot);
  if (digestOf(found) !== digestOf(committed)) {
    throw new RahatError('repository_damaged', `Snapshot ${committed.snapshot} reads back differently from what was committed`, {
      retryable: true,
    });
  }
  const report = await repository.check({ level: 'structure', snapshots: [committed.snapshot], signal });
  const damage = report.problems.find((problem) => problem.severity === 'damage');
  if (!report.healthy || damage) {
    throw new RahatError(
      'repository_damaged',
      `The storage did not keep snapshot ${committed.snapshot}: ${damage?.message ?? 'its structure is not whole'}`,
      {
        hint: 'The source was read completely; look at the storage, then run the backup again.',
        retryable: true,
      },
    );
  }
}

function digestOf(manifest: Manifest): string {
  const objects = manifest.objects.map(({ key, sizeBytes, sha256, rows, rowHash }) => [
    key,
    sizeBytes,
    sha256,
    rows ?? null,
    rowHash ?? null,
  ]);
  return JSON.stringify([manifest.run, manifest.attempt, manifest.sizeBytes, objects.sort()]);
}

function refuseBlocked(findings: Finding[]): void {
  const blockers = findings.filter((finding) => finding.severity === 'blocker');
  if (blockers.length === 0) return;
  const fixes = blockers.flatMap((blocker) => blocker.fix ?? []);
  throw new RahatError('preflight_blocked', `The backup would not be complete: ${blockers.map((blocker) => blocker.message).join('; ')}`, {
    hint: fixes.length > 0 ? `Run: ${fixes.join(' ')}` : undefined,
  });
}

/** The connector already throws for what it saw; this is the second lock on the same door. */
function refuseIncomplete(facts: BackupFacts, written: number): void {
  const { cleanExit, trailerSeen } = facts.evidence;
  if (cleanExit && trailerSeen && written > 0) return;
  const missing = written === 0 ? 'nothing was written' : cleanExit ? 'its end was not seen' : 'the tool did not end cleanly';
  throw new RahatError('dump_truncated', `The dump is not complete: ${missing}`, {
    hint: 'Nothing was kept of it; the next attempt starts afresh.',
  });
}

function distinct(findings: Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [`${finding.code}\0${finding.object ?? ''}`, finding])).values()];
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    void work.catch(() => undefined).finally(() => signal.removeEventListener('abort', abort));
  });
  return Promise.race([work, aborted]);
}
