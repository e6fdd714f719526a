import { randomBytes } from 'node:crypto';
import type { Artifact, ArtifactClass, ArtifactKind, ArtifactSink, BackupFacts, BackupRequest } from '@rahat/connector-kit';
import { type Finding, type PostgresqlConnection, RahatError } from '@rahat/contracts';
import type { PacedJob } from '../source/within-limits.js';
import { type BackupManifest, inManifest, type ManifestFile, parseBackupManifest } from './backup-manifest.js';
import { type BaseBackupFacts, FACTS_KEY, keyOfPath, MANIFEST_KEY } from './base-backup-layout.js';
import type { BackupPart, BaseBackupStream } from './base-backup-stream.js';
import { wholePath } from './incremental-file.js';
import { LogCover } from './log-cover.js';
import { pathText, staysInside } from './path-text.js';
import { bytesOfSetting } from './setting-bytes.js';
import { startBaseBackup } from './start-base-backup.js';
import { type TarEntry, tarEntries } from './tar-reader.js';
import { WalsenderClient } from './walsender-client.js';

/** MAX_RATE's borders, in kB/s (docs: "Streaming Replication Protocol"). */
const SLOWEST_RATE = 32;
const FASTEST_RATE = 1_048_576;
const PROGRESS_STEP_BYTES = 8 << 20;

/** Settings that recovery compares with those of the source, told by any replication connection. */
const SETTINGS_KEPT = [
  'max_connections',
  'max_worker_processes',
  'max_wal_senders',
  'max_prepared_transactions',
  'max_locks_per_transaction',
];

/**
 * Takes a base backup with the log that makes it consistent, straight from the server; resolves only for one that can be started,
 * an incremental one together with what it was taken upon.
 */
export async function takeBaseBackup(
  connection: PostgresqlConnection,
  request: BackupRequest,
  sink: ArtifactSink,
  job: PacedJob,
): Promise<BackupFacts> {
  await using client = await WalsenderClient.connect(connection, request.label, job.signal);
  if (client.serverMajor < 13) {
    throw new RahatError('source_unsupported', `PostgreSQL ${client.serverVersion} cannot give a backup manifest`, {
      hint: 'Physical backups need PostgreSQL 13 or newer.',
    });
  }
  const findings: Finding[] = [];
  const system = await client.identifySystem();
  const segmentSize = bytesOfSetting(await client.show('wal_segment_size'));
  const settings: Record<string, string> = {};
  for (const name of SETTINGS_KEPT) settings[name] = await client.show(name);
  const dataChecksums = await client.show('data_checksums');
  await keepLog(client, findings);

  const options = { label: request.label, maxRateKilobytesPerSecond: rateOf(request.limits?.bytesPerSecond) };
  const started = await startBaseBackup(client, request, { ...system, dataChecksums }, options);
  const { stream, parts, label } = started;
  findings.push(...started.findings);
  const taking = new BackupTaking(sink, job, stream, new LogCover(segmentSize, system.systemIdentifier));
  for await (const part of parts) await taking.take(part);
  const manifest = taking.compareWithManifest();
  const { start, end } = stream;
  if (!start || !end) throw new RahatError('dump_truncated', 'The base backup ended without its end message');
  const consistentAt = new Date().toISOString();

  const facts: BaseBackupFacts = {
    format: 'postgresql.base/1',
    major: client.serverMajor,
    systemIdentifier: system.systemIdentifier,
    startPosition: start.position,
    endPosition: end.position,
    timeline: end.timeline,
    segmentSize,
    blockSize: Number(await client.show('block_size')),
    tablespaces: stream.tablespaces,
    folders: taking.folders,
    files: taking.files,
    settings,
  };
  await taking.write(FACTS_KEY, 'facts', 'small', [Buffer.from(JSON.stringify(facts))]);
  if (!manifest.files.has('postgresql.conf')) {
    findings.push({
      code: 'configuration_outside',
      severity: 'warning',
      message:
        'The server keeps postgresql.conf outside its data directory (Debian does); it is not part of the backup. A restore writes a minimal one.',
      fix: 'Back up /etc/postgresql as files too.',
    });
  }
  for (const notice of client.notices) findings.push({ code: 'server_notice', severity: 'info', message: notice.message });
  return {
    identity: system.systemIdentifier,
    serverVersion: client.serverVersion,
    tool: 'native replication client',
    label,
    consistency: 'snapshot',
    positions: {
      startLsn: start.position,
      endLsn: end.position,
      timeline: end.timeline,
      systemIdentifier: system.systemIdentifier,
      dataChecksums,
    },
    consistentAt,
    findings,
    evidence: {
      cleanExit: true,
      trailerSeen: true,
      objectsExpected: taking.expected,
      objectsFound: taking.found,
      rows: 0,
      bytes: taking.bytes,
    },
  };
}

/** What has passed so far. */
class BackupTaking {
  readonly files: BaseBackupFacts['files'] = {};
  readonly folders: BaseBackupFacts['folders'] = {};
  bytes = 0;
  found = 0;
  expected = 0;
  private readonly stored = new Map<string, ManifestFile>();
  private manifest?: BackupManifest;
  private order = 0;
  private reportedAt = 0;

  constructor(
    private readonly sink: ArtifactSink,
    private readonly job: PacedJob,
    private readonly stream: BaseBackupStream,
    private readonly cover: LogCover,
  ) {}

  async take(part: BackupPart): Promise<void> {
    if (part.kind === 'manifest') {
      const bytes: Buffer[] = [];
      for await (const chunk of part.body) bytes.push(Buffer.from(chunk));
      this.manifest = parseBackupManifest(Buffer.concat(bytes));
      await this.write(MANIFEST_KEY, 'header', 'small', bytes);
      return;
    }
    const parent = part.tablespace ? `pg_tblspc/${part.tablespace.oid}/` : '';
    for await (const entry of tarEntries(part.body)) {
      const path = parent + pathText(entry.path);
      if (!staysInside(entry.path)) throw new RahatError('dump_invalid', `The server sent a path outside its data directory: ${path}`);
      if (entry.type === 'folder') this.folders[path] = [entry.mode, entry.modifiedAt];
      // The links of pg_tblspc come as the tablespace map instead; the server sends no others.
      else if (entry.type === 'link') throw new RahatError('dump_invalid', `The server sent a link where none is expected: ${path}`);
      else await this.takeFile(path, entry);
    }
  }

  private async takeFile(path: string, entry: TarEntry): Promise<void> {
    const kind = classify(path);
    const body = kind === 'log' ? this.cover.watch(path.slice(path.lastIndexOf('/') + 1), entry.body) : entry.body;
    const artifact = await this.write(keyOfPath(path), kind === 'log' ? 'log' : 'file', kind, this.counted(path, body));
    if (artifact.sizeBytes !== entry.sizeBytes)
      throw new RahatError('dump_invalid', `${path}: ${artifact.sizeBytes} of ${entry.sizeBytes} bytes were stored`);
    this.stored.set(path, { sizeBytes: artifact.sizeBytes, sha256: artifact.sha256 });
    this.files[path] = [entry.mode, entry.modifiedAt];
  }

  async write(key: string, kind: ArtifactKind, type: ArtifactClass, body: AsyncIterable<Uint8Array> | Buffer[]): Promise<Artifact> {
    this.order++;
    return this.sink.write({ key, kind, order: this.order, class: type }, Array.isArray(body) ? fromArray(body) : body);
  }

  /** Each file that the server's manifest names was stored with its very bytes, no other was, and the log is whole. */
  compareWithManifest(): BackupManifest {
    const manifest = this.manifest;
    if (!manifest) throw new RahatError('dump_truncated', 'The base backup ended without its manifest');
    for (const [path, expected] of manifest.files) {
      this.expected++;
      const actual = this.stored.get(path);
      if (!actual) throw new RahatError('dump_invalid', `The backup lacks ${path}, which the server's manifest names`);
      if (actual.sizeBytes !== expected.sizeBytes || actual.sha256 !== expected.sha256) {
        throw new RahatError('dump_invalid', `${path} differs from the server's manifest`, {
          retryable: true,
          hint: 'Its bytes changed on the way. The next attempt takes a new backup.',
        });
      }
      this.found++;
    }
    for (const path of this.stored.keys()) {
      if (inManifest(path) && !manifest.files.has(path))
        throw new RahatError('dump_invalid', `The server sent ${path}, which its manifest does not name`);
    }
    this.cover.require(manifest.logRanges);
    return manifest;
  }

  private async *counted(path: string, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const { pace, signal } = this.job;
    for await (const chunk of pace ? pace.through(body, signal) : body) {
      this.bytes += chunk.length;
      if (this.bytes - this.reportedAt >= PROGRESS_STEP_BYTES) {
        this.reportedAt = this.bytes;
        this.job.progress({
          phase: 'base backup',
          object: path,
          bytes: this.bytes,
          totalBytes: Math.max(this.stream.estimatedBytes, this.bytes),
        });
      }
      yield chunk;
    }
  }
}

/** Relation files are made of pages: `16384/2619`, its forks and its further gigabytes. */
function classify(path: string): ArtifactClass {
  const name = (wholePath(path) ?? path).slice(path.lastIndexOf('/') + 1);
  if (/^pg_wal\/[0-9A-F]{24}$/.test(path)) return 'log';
  const relation = /^(base\/|global\/|pg_tblspc\/\d+\/)/.test(path) && /^(t\d+_)?\d+(_(fsm|vm|init))?(\.\d+)?$/.test(name);
  return relation ? 'pages' : 'small';
}

/** Without a slot a busy server may remove, before the backup's end, log that the backup needs. It goes with the connection. */
async function keepLog(client: WalsenderClient, findings: Finding[]): Promise<void> {
  try {
    await client.query(`CREATE_REPLICATION_SLOT rhb_${randomBytes(8).toString('hex')} TEMPORARY PHYSICAL RESERVE_WAL`);
  } catch (error) {
    const { message, code } = RahatError.from(error);
    if (code === 'source_lost' || code === 'cancelled') throw error;
    findings.push({
      code: 'log_not_reserved',
      severity: 'info',
      message: `No temporary replication slot was free, so a busy server may remove log while a backup runs: ${message}`,
      fix: 'Raise max_replication_slots.',
    });
  }
}

/** The server itself reads no faster then; without a bound of its own the pace holds it up by back-pressure. */
function rateOf(bytesPerSecond: number | null | undefined): number | undefined {
  return bytesPerSecond === undefined || bytesPerSecond === null
    ? undefined
    : Math.min(FASTEST_RATE, Math.max(SLOWEST_RATE, Math.floor(bytesPerSecond / 1024)));
}

async function* fromArray(parts: Buffer[]): AsyncGenerator<Buffer> {
  yield* parts;
}
