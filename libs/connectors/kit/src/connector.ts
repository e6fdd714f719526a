import type {
  Assertion,
  AssertionEvidence,
  BackupLabel,
  BackupMethod,
  BackupType,
  BackupUse,
  Consistency,
  Engine,
  Finding,
  LogWay,
  MadeBackupUser,
  Merge,
  MergedTable,
  PreflightReport,
  PreflightRequest,
  SafetyCopy,
  SafetyCopyOrder,
  SourceChoice,
  SourceLimits,
  TableName,
  ThrottleFacts,
} from '@rahat/contracts';
import type { FollowEnd, FollowRequest, LogRecovery, LogSink, PushedLogSink, PushedSegment, RecoveryFacts } from './log.js';
import type { Decoder } from './decoder.js';

/**
 * What an engine's connector is (engines.md §11). Rules: it knows nothing of repositories, retention, schedules or
 * encryption; it spawns only through `runTool`; it never logs a row; all waits honour `job.signal`; every failure is a RahatError.
 */
export interface Connector<Connection> {
  readonly engine: Engine;
  readonly decoder: Decoder<Connection>;
  open(connection: Connection, context: ConnectorContext): Promise<ConnectorSession>;
  /** Looks at the primary and its standbys, and says which to read. Throws `replica_unfit` when only a standby may be read and none is fit. */
  chooseSource(
    primary: Connection,
    standbys: readonly Connection[],
    order: SourceOrder,
    context: ConnectorContext,
  ): Promise<ChosenSource<Connection>>;
  /** V2: decodes every artifact to its end and compares rows, hashes and the format's own checksums. Needs no server. */
  checkContent(source: ArtifactSource, context: ConnectorContext, job: Job): Promise<ContentCheck>;
  /** V3: restores into a throwaway server that this call makes and removes, with exact proof; then asks the user's questions there. */
  testRestore(
    source: ArtifactSource,
    context: ConnectorContext,
    job: Job,
    assertions?: readonly Assertion[],
    recovery?: LogRecovery,
  ): Promise<TestRestoreFacts>;
  /** Physical backups: an empty folder becomes a data directory ready to start; with `recovery`, ready to replay its log up to there. */
  restoreToFolder(source: ArtifactSource, path: string, context: ConnectorContext, job: Job, recovery?: LogRecovery): Promise<RestoreFacts>;
  /** Physical backups: a private throwaway server on the restored files, recovered and proven to be, whose history leads nowhere. */
  recoverServer(source: ArtifactSource, context: ConnectorContext, job: Job, recovery?: LogRecovery): Promise<RecoveredServer<Connection>>;
  /** Physical backups: an absent or empty folder becomes a private server, recovered, and waiting there to be looked at. */
  inspectServer(
    source: ArtifactSource,
    place: InspectionPlace,
    context: ConnectorContext,
    job: Job,
    recovery?: LogRecovery,
  ): Promise<InspectedServer<Connection>>;
}

export interface InspectionPlace {
  folder: string;
  /** A role of the source's that may log in; absent: the one that such servers usually have. */
  user?: string;
}

/** A server that is read, and never written to. Disposing it leaves neither process nor file, unless it was promoted. */
export interface InspectedServer<Connection> extends AsyncDisposable {
  connection: Connection;
  version: string;
  findings: Finding[];
  readonly reached: RecoveryFacts;
  /** Resolves when it ended though nobody had it end. */
  readonly lost: Promise<void>;
  /** On to a later target of its history: only the log of it is fetched. Where it is refused as unreachable, nothing changed. */
  advance(source: ArtifactSource, recovery: LogRecovery, job: Job): Promise<void>;
  /** Recovery ends where it waits, on a timeline of its own; the server ends, and its folder is left to whoever asked. */
  promote(job: Job): Promise<void>;
}

/** Disposing it leaves neither process nor file. */
export interface RecoveredServer<Connection> extends AsyncDisposable {
  connection: Connection;
  version: string;
  /** Where it stopped, with a recovery. */
  recovery?: RecoveryFacts;
  /** Tables of a database whose rows no physical backup has, and what they are partitions of. */
  tablesWithLostRows(database: string): Promise<TableName[]>;
}

export interface SourceOrder extends SourceChoice {
  /** What the server told of itself before; a standby must be the same. Absent: the primary is asked. */
  identity?: string;
}

export interface ChosenSource<Connection> {
  connection: Connection;
  role: 'primary' | 'replica';
  /** Of a replica. */
  lagSeconds?: number;
  /** A sentence for each that was not taken. */
  passedOver: string[];
}

export interface ContentCheck {
  objectsChecked: number;
  rows: number;
  bytes: number;
  /** A `gap` or `blocker` here means that the backup is damaged. */
  findings: Finding[];
}

export interface ConnectorContext {
  /** Folders searched for client tools and server binaries besides PATH and the system's usual places. */
  toolFolders: string[];
  /** Private folder for short-lived files (mode 0700); emptied after the run. */
  scratchFolder: string;
  signal: AbortSignal;
}

export interface ConnectorSession extends AsyncDisposable {
  /** The test button: reachability, version, identity, rights, tools; never throws for a missing right, it is a finding. */
  probe(): Promise<Probe>;
  discover(): Promise<DiscoveredDatabase[]>;
  /** Blockers stop a backup before it starts; gaps make it partial (engines.md §0.9). */
  preflight(request: BackupRequest): Promise<Finding[]>;
  /** All that can be told of a server before anything is planned for it, each lack with its cure. Never throws for a missing right. */
  report(request: PreflightRequest): Promise<PreflightReport>;
  /** For the session of an administrator. All or nothing: where it rejects, a role that it made is gone again. */
  makeBackupUser(request: BackupUserRequest): Promise<MadeBackupUser>;
  /** For the session of an administrator. False when there is no role of this name and mark. */
  removeBackupUser(name: string, mark: string): Promise<boolean>;
  /** Resolves if and only if the dump is complete; throws otherwise. */
  backup(request: BackupRequest, sink: ArtifactSink, job: Job): Promise<BackupFacts>;
  /** What a restore will do and overwrite; a pure look, changes nothing. */
  planRestore(request: RestoreRequest, source: ArtifactSource, job: Job): Promise<RestoreOutline>;
  /** Stage → check → swap. Throws `restore_mismatch` when counts or hashes differ; then nothing was swapped in. */
  restore(request: RestoreRequest, source: ArtifactSource, job: Job): Promise<RestoreFacts>;
  /** What an undo or the end of a safety copy will do; changes nothing. */
  planSafetyCopy(request: SafetyCopyRequest, job: Job): Promise<RestoreOutline>;
  /** Throws `undo_refused` where it would take back later changes and isn't forced; then nothing was changed. */
  endSafetyCopy(request: SafetyCopyRequest, job: Job): Promise<RestoreFacts>;
  /** What stands in the way of having the server's log in this way. */
  preflightFollow(way: LogWay): Promise<Finding[]>;
  /** Until the job is aborted, or until the log can't be had without a gap. Whatever else ends it is thrown. */
  follow(request: FollowRequest, sink: LogSink, job: Job): Promise<FollowEnd>;
  /**
   * Takes what the server pushes, one segment at a time, until the job is aborted or another server answers. A slot of the request's
   * name, which the stream had before, is let go. A segment that is refused ends nothing.
   */
  takePushed(request: FollowRequest, segments: AsyncIterable<PushedSegment>, sink: PushedLogSink, job: Job): Promise<FollowEnd>;
  /** When a log is followed no more: what the server keeps for us is let go. False when there was no such slot. */
  dropSlot(slot: string): Promise<boolean>;
}

export interface Probe {
  /** What makes the server itself, e.g. PostgreSQL's system_identifier. */
  identity: string;
  version: string;
  /** Major version as the tools count it, e.g. `15`. */
  major: string;
  role: 'primary' | 'replica';
  latencyMs: number;
  tls: boolean;
  methods: { method: BackupMethod; usable: boolean; findings: Finding[] }[];
  /** The ladder of libraries.md §3.1-6, in order. */
  steps: { name: string; ok: boolean; ms: number; detail?: string }[];
}

export interface BackupUserRequest {
  name: string;
  password: string;
  uses: readonly BackupUse[];
  /** Left on the role: without it nobody replaces or removes it. */
  mark: string;
  /** The role may be there, and keeps its password. */
  keepPassword: boolean;
  /** Tables are granted one by one, so that it can't read the server's own secrets; those of new owners need a grant first. */
  byObject: boolean;
  /** Known of the server; another one is left alone. */
  identity: string | null;
}

export interface DiscoveredDatabase {
  name: string;
  sizeBytes: number;
  encoding: string;
  collation: string;
  connectable: boolean;
}

export interface BackupRequest {
  method: BackupMethod;
  /** Absent = full. */
  type?: BackupType;
  /** What an incremental or differential one is taken upon. Without it a full one is taken; where the server can't do it, too, and a finding says why. */
  parent?: ParentBackup;
  /** Required for logical backups; a physical one covers the whole server. */
  database?: string;
  /** Recount rows inside the exported snapshot and compare with what the stream held. */
  deep?: boolean;
  /** Names the attempt on the server (application_name, backup label). */
  label: string;
  limits?: SourceLimits;
}

/** What a backup tells of itself without its data: enough to take another one upon it, with a key that reads no data. */
export type ParentBackup = Pick<ArtifactSource, 'artifacts' | 'facts'>;

export type ArtifactClass = 'rows' | 'pages' | 'log' | 'small';
export type ArtifactKind = 'header' | 'ddl' | 'rows' | 'file' | 'blob' | 'log' | 'facts';

export interface Artifact {
  /** Unique in the backup; any Unicode. */
  key: string;
  kind: ArtifactKind;
  order: number;
  class: ArtifactClass;
  sizeBytes: number;
  sha256: string;
  rows?: number;
  rowHash?: string;
  meta?: Record<string, unknown>;
}

export interface ArtifactFacts {
  rows?: number;
  rowHash?: string;
  meta?: Record<string, unknown>;
}

/**
 * Nothing that goes in is visible before the whole backup is committed. Pulls from `body`: back-pressure reaches the server.
 * A piece of it is used or copied before the next is asked for: it may lie in memory that is used again.
 */
export interface ArtifactSink {
  write(
    description: Pick<Artifact, 'key' | 'kind' | 'order' | 'class'>,
    body: AsyncIterable<Uint8Array>,
    facts?: () => ArtifactFacts,
  ): Promise<Artifact>;
}

export interface ArtifactSource {
  readonly artifacts: readonly Artifact[];
  /** Facts that `backup` returned. */
  readonly facts: BackupFacts;
  /** What a native incremental or differential backup is restored upon; it may have one of its own. */
  readonly parent?: ArtifactSource;
  /** Lends its pieces: each is used or copied before the next is asked for. Rejects unless their SHA-256 is `sha256` at the end. */
  read(artifact: Artifact): AsyncIterable<Buffer>;
  /**
   * Writes the artifact into an empty file. When it resolves, the file holds `sizeBytes` bytes whose SHA-256 is `sha256`; they are
   * not synced. Faster than writing what `read` gives. Rejects with the file's own error as it is.
   */
  readInto(artifact: Artifact, file: WritableFile): Promise<void>;
}

/** A file handle of Node's is one. May take less than it is given at once. */
export interface WritableFile {
  writev(pieces: Buffer[], position: number): Promise<{ bytesWritten: number }>;
}

export interface BackupFacts {
  identity: string;
  serverVersion: string;
  tool: string;
  /** Only a native incremental or differential one needs its parent. */
  label: BackupLabel;
  consistency: Consistency;
  positions: Record<string, string | number>;
  /** RFC 3339. */
  consistentAt: string;
  findings: Finding[];
  /** With limits of the source. */
  throttle?: ThrottleFacts;
  /** Numbers that evidence is judged by: expected against found. */
  evidence: BackupEvidenceFacts;
}

export interface BackupEvidenceFacts {
  /** The tool's exit code was 0 without a signal, or the native protocol ended by its own end message. */
  cleanExit: boolean;
  /** The format's own end was seen (last block, trailer, manifest checksum). */
  trailerSeen: boolean;
  objectsExpected: number;
  objectsFound: number;
  rows: number;
  bytes: number;
}

export interface RestoreRequest {
  target:
    | { kind: 'database'; name: string; /** Swap over an existing database of that name; the old one is renamed aside. */ replace: boolean }
    | { kind: 'folder'; path: string };
  /** Tables as [schema, table]; absent = everything. */
  tables?: [schema: string, table: string][];
  /** With `tables`: bring them into this existing database instead of a new one; an existing table is renamed aside. */
  intoExisting?: boolean;
  /** The chosen tables, schemas and rows go into this existing database, in one transaction. */
  merge?: Merge;
  noOwner?: boolean;
  noAcl?: boolean;
  /** Roles that the backup names and the target lacks are created without login; otherwise they are a blocker. Never drops a role. */
  createMissingRoles?: boolean;
  /** Names the staging database. */
  label: string;
}

export interface SafetyCopyRequest extends Pick<SafetyCopyOrder, 'schema' | 'action' | 'force' | 'lockWaitSeconds'> {
  database: string;
  label: string;
}

export interface RestoreOutline {
  steps: string[];
  objects: { schema: string; name: string; kind: string; rows?: number; sizeBytes: number }[];
  sizeBytes: number;
  overwrites: string[];
  findings: Finding[];
}

export interface TableComparison {
  schema: string;
  table: string;
  expectedRows: number;
  actualRows: number;
  matches: boolean;
}

export interface RestoreFacts {
  target: string;
  /** Where the former database or tables were put. */
  setAside: string[];
  tables: TableComparison[];
  rows: number;
  bytes: number;
  findings: Finding[];
  /** With a recovery. */
  recovery?: RecoveryFacts;
  /** Into a live database, or back out of it. */
  merged?: MergedTable[];
  safetyCopy?: SafetyCopy;
}

export interface TestRestoreFacts extends RestoreFacts {
  /** e.g. `throwaway PostgreSQL 15.18`. */
  restoredOn: string;
  /** One for each assertion that was asked. */
  assertions: AssertionEvidence[];
  /** Read to their end in the throwaway server, where the rows at backup time are not known and so nothing was compared (physical backups). */
  tablesRead?: TableReadBack[];
}

export interface TableReadBack {
  database: string;
  schema: string;
  table: string;
  rows: number;
  rowHash: string;
}

export interface JobProgress {
  phase: string;
  object?: string;
  bytes: number;
  totalBytes?: number;
  /** Why the source is read slower than it could be. */
  slowedBy?: string;
}

export interface Job {
  signal: AbortSignal;
  progress(progress: JobProgress): void;
  log(level: 'info' | 'warning', message: string): void;
}
