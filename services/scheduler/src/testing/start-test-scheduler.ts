import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  newId,
  QUEUES,
  RahatError,
  RunSecrets,
  type Answer,
  type CloudAccountConnection,
  type FoundManagedSnapshots,
  type KnownPlaces,
  type CommandPayload,
  type PostgresqlConnection,
  type PreflightReport,
  type Principal,
  type Question,
  type RepositoryAccess,
  type RepositoryPower,
  type Run,
} from '@rahat/contracts';
import { openMessaging, type Outbox, type Messaging } from '@rahat/messaging';
import { openServiceDatabase, provisionDatabase, type ServiceDatabase } from '@rahat/persistence';
import { createSecretBox, poolKeyFrom } from '@rahat/secrets';
import { startTestApplication, type TestApplication } from '@rahat/service-kit/testing';
import { startPostgresql, type PostgresqlOptions, type PostgresqlServer } from '@rahat/test-servers';
import type { Clock } from '../clock/clock.js';
import { configSchema, migrations, SchedulerModule } from '../index.js';
import { Ticker } from '../runs/tick/ticker.js';
import { succeed, type Script, type TestAttempt } from './scripts.js';

export const PASSWORD = 'planted p@ssword';
export const ADDRESS = { host: 'db.example', port: 5432, user: 'backup' };

export interface TestScheduler extends AsyncDisposable {
  application: TestApplication;
  postgresql: PostgresqlServer;
  database: ServiceDatabase;
  messaging: Messaging;
  admin: Principal;
  clock: Clock & { advance(ms: number): void; set(ms: number): void };
  /** Scripts of the attempts to come, in order; afterwards every attempt succeeds. */
  scripts: Script[];
  attempts: TestAttempt[];
  /** What the worker answers; tests change it. */
  worker: {
    databases: string[];
    identity: string;
    outline: Answer<'restore.outline.v1'>;
    /** Backup users that it made, with what for; while `backupUserRefusal` is set it can't. */
    backupUsers: MadeUser[];
    backupUserRefusal?: RahatError;
    /** Before it answers that a backup user is made. */
    whileMaking?: () => Promise<unknown>;
    /** Slots that it dropped; while `slotRefusal` is set it can't. */
    droppedSlots: string[];
    slotRefusal?: RahatError;
    /** What the provider of a server tells; while `managedRefusal` is set it tells nothing. */
    managed: FoundManagedSnapshots;
    managedRefusal?: RahatError;
    /** Before it answers for the provider. */
    whileAsked?: () => Promise<unknown>;
    /** Out of backups. */
    read(question: Question<'backup.read.v1'>, secrets: RunSecrets): Promise<Answer<'backup.read.v1'>>;
  };
  logRemovals: CommandPayload<'log.remove.v1'>[];
  /** So many of the next commands never reach a queue. */
  loseCommands(count: number): void;
  /** All that was put in the outbox. */
  told: { name: string; payload: unknown; priority?: number }[];
  /** What the storage service knows. */
  places: KnownPlaces;
  removals: CommandPayload<'snapshot.remove.v1'>[];
  /** Backups that the storage was asked to take out of the trash. */
  returns: CommandPayload<'snapshot.return.v1'>[];
  /** Snapshots, in the order in which their removal was asked for. */
  discarded: string[];
  /** How the worker was to reach the servers that it was asked to test. */
  probed: PostgresqlConnection[];
  /** With which accounts it was to ask providers. */
  asked: CloudAccountConnection[];
  call(method: string, path: string, body?: unknown, as?: Principal): ReturnType<TestApplication['call']>;
  tick(): Promise<void>;
  sql(statement: string): Promise<Record<string, unknown>[]>;
  /** Ticks until the run is in one of `states`. */
  until(run: string, ...states: Run['state'][]): Promise<Run>;
  eventually<T>(look: () => Promise<T | undefined | null | false>): Promise<T>;
  plan(change?: object): Promise<{ id: string; server: string }>;
}

interface MadeUser {
  admin: PostgresqlConnection;
  user: PostgresqlConnection;
  mark: string;
}

/** Much longer than anything takes on a machine that has nothing else to do. */
const PATIENCE_MS = 30_000;

/** The scheduler as it runs, on a real PostgreSQL that also carries the queues, with a worker that speaks the real messages. */
export async function startTestScheduler(server: PostgresqlOptions = { major: 15 }): Promise<TestScheduler> {
  const postgresql = await startPostgresql(server);
  const { serviceUrls, queueUrl } = await provisionDatabase({
    adminUrl: postgresql.connectionString(),
    services: [{ name: 'scheduler', password: 'pw' }],
    queue: { schema: 'bullmq', role: 'rahat_queue', password: 'pw' },
  });
  const database = await openServiceDatabase({ url: serviceUrls['scheduler']!, service: 'scheduler', migrations, poolSize: 10 });
  const messaging = await openMessaging({ postgresUrl: queueUrl!, prefix: 'test', retry: { attempts: 3, firstDelayMs: 50 } });
  const pool = await poolKeyFrom(randomBytes(32));
  const organization = newId('organization');
  const admin: Principal = {
    kind: 'user',
    subject: newId('user'),
    name: 'Ada',
    organization,
    role: 'admin',
    scopes: ['*'],
    serverGroups: null,
    address: '127.0.0.1',
    requestId: 'request_1',
  };
  const clock = turnableClock();
  const scripts: Script[] = [];
  const attempts: TestAttempt[] = [];
  const removals: CommandPayload<'snapshot.remove.v1'>[] = [];
  const returns: CommandPayload<'snapshot.return.v1'>[] = [];
  const discarded: string[] = [];
  const probed: PostgresqlConnection[] = [];
  const asked: CloudAccountConnection[] = [];
  const logRemovals: CommandPayload<'log.remove.v1'>[] = [];
  const worker: TestScheduler['worker'] = {
    databases: ['shop', 'crm'],
    identity: '7',
    outline: { steps: ['stage', 'check', 'swap'], overwrites: [], findings: [], sizeBytes: 1000, rows: 5 },
    backupUsers: [],
    droppedSlots: [],
    managed: {
      resource: { kind: 'instance', id: 'shop' },
      recovery: { engine: 'postgres', engineVersion: '16.3', status: 'available', retentionDays: 7, earliest: null, latest: null },
      snapshots: [],
      complete: true,
    },
    read: () => Promise.reject(new RahatError('unavailable', 'This worker reads nothing')),
  };
  let toLose = 0;
  const places: KnownPlaces = {
    storages: [{ id: 'storage_known', name: 'nas', settings: { driver: 'local', path: '/backups' } }],
    repositories: [{ id: 'repository_known', name: 'main', storage: 'storage_known', prefix: 'main' }],
  };

  const real = messaging.outbox(database);
  const told: TestScheduler['told'] = [];
  const outbox: Outbox = {
    event: async (transaction, name, payload) => {
      told.push({ name, payload });
      await real.event(transaction, name, payload);
    },
    command: async (...all) => {
      const [, , name, payload, options] = all;
      told.push({ name, payload, priority: options?.priority });
      if (toLose > 0) toLose -= 1;
      else await real.command(...all);
    },
  };
  // Nothing ticks by itself: tests do.
  const config = configSchema.parse({
    RAHAT_POOL_KEYS: JSON.stringify({ default: pool.publicKey }),
    RAHAT_SCHEDULER_TICK_SECONDS: '60',
    RAHAT_SCHEDULER_RETRY_SECONDS: '1',
  });
  const internal = {
    post: async (_service: string, path: string, body: unknown, _schema: unknown, asked?: string) => {
      if (path === '/internal/v1/places' && asked !== organization) return { storages: [], repositories: [] } as never;
      if (path.startsWith('/internal/v1/places')) return changedPlaces(places, path, body) as never;
      if (!places.repositories.some(({ id }) => path.includes(id))) throw new RahatError('not_found', 'There is no such repository');
      const { power } = body as { power: RepositoryPower };
      return {
        repositoryId: 'r',
        storageId: 'storage_known',
        storage: { driver: 'local', path: '/backups' },
        prefix: 'p',
        credential: credentialOf(power),
      } as never;
    },
  };
  const application = await startTestApplication(
    (runtime) =>
      SchedulerModule.register({
        runtime: { ...runtime, service: 'scheduler', database, outbox },
        config,
        secretBox: createSecretBox(randomBytes(32)),
        internal,
        clock,
      }),
    messaging,
  );

  const take = {
    'run.execute.v1': async ({ spec }: CommandPayload<'run.execute.v1'>) => {
      const send: TestAttempt['tell'] = (name, payload, id) =>
        messaging.send(
          QUEUES.scheduler,
          name,
          { run: spec.run, attempt: spec.attempt, ...payload } as unknown as CommandPayload<typeof name>,
          id ? { id } : {},
        );
      const attempt: TestAttempt = {
        spec,
        tell: send,
        secrets: RunSecrets.parse(JSON.parse((await pool.open(spec.sealedSecrets, `${spec.run}/${spec.attempt}`)).toString())),
        start: (name = 'worker-1') => send('attempt.started.v1', { worker: name, at: new Date().toISOString() }),
        finish: (result, name = 'worker-1') => send('attempt.finished.v1', { worker: name, result, at: new Date().toISOString() }),
      };
      attempts.push(attempt);
      const next = scripts.findIndex(({ of }) => of === undefined || of === spec.type);
      const [script = succeed] = next < 0 ? [] : scripts.splice(next, 1);
      await script(attempt);
    },
  };
  messaging.work(QUEUES.worker('default'), take, { concurrency: 4 });
  messaging.work(QUEUES.followers('default'), take, { concurrency: 4 });
  messaging.work(
    QUEUES.storage,
    {
      'snapshot.remove.v1': async (command) => void removals.push(command),
      'log.remove.v1': async (command) => void logRemovals.push(command),
      'snapshot.return.v1': async (command) => void returns.push(command),
      'snapshot.discard.v1': async ({ snapshot }) => void discarded.push(snapshot),
    },
    { concurrency: 1 },
  );
  messaging.answer('default', {
    'server.probe.v1': async ({ binding, sealedSecrets }) => {
      const { source } = RunSecrets.parse(JSON.parse((await pool.open(sealedSecrets, binding)).toString()));
      if (source) probed.push(source);
      const right = source?.password === PASSWORD;
      return {
        reachable: right,
        identity: right ? worker.identity : null,
        version: '15.1',
        latencyMs: 1,
        tls: false,
        steps: [{ name: 'login', ok: right, ms: 1 }],
        methods: [],
      };
    },
    'server.discover.v1': async () => ({
      databases: worker.databases.map((name) => ({ name, sizeBytes: 1000, encoding: 'UTF8', collation: 'C', connectable: true })),
    }),
    'server.preflight.v1': async ({ binding, sealedSecrets }) => {
      const { source } = RunSecrets.parse(JSON.parse((await pool.open(sealedSecrets, binding)).toString()));
      return reportOf(source!.user, worker.identity);
    },
    'backup_user.make.v1': async ({ binding, sealedSecrets, mark, keepPassword }) => {
      const { source, target } = RunSecrets.parse(JSON.parse((await pool.open(sealedSecrets, binding)).toString()));
      if (worker.backupUserRefusal) throw worker.backupUserRefusal;
      worker.backupUsers.push({ admin: source!, user: target!, mark });
      await worker.whileMaking?.();
      return { user: target!.user, created: !keepPassword, notGranted: [], report: reportOf(target!.user, worker.identity) };
    },
    'backup_user.remove.v1': async ({ binding, sealedSecrets, mark }) => {
      const { target } = RunSecrets.parse(JSON.parse((await pool.open(sealedSecrets, binding)).toString()));
      const before = worker.backupUsers.length;
      worker.backupUsers = worker.backupUsers.filter((made) => made.user.user !== target!.user || made.mark !== mark);
      return { removed: worker.backupUsers.length < before };
    },
    'server.managed_snapshots.v1': async ({ binding, sealedSecrets }) => {
      const { cloudAccount } = RunSecrets.parse(JSON.parse((await pool.open(sealedSecrets, binding)).toString()));
      asked.push(cloudAccount!);
      await worker.whileAsked?.();
      if (worker.managedRefusal) throw worker.managedRefusal;
      return worker.managed;
    },
    'slot.drop.v1': async ({ slot }) => {
      if (worker.slotRefusal) throw worker.slotRefusal;
      worker.droppedSlots.push(slot);
      return { dropped: true };
    },
    'backup.read.v1': async (question) => {
      const secrets = RunSecrets.parse(JSON.parse((await pool.open(question.sealedSecrets, question.binding)).toString()));
      return worker.read(question, secrets);
    },
    'restore.outline.v1': async () => worker.outline,
  });

  const call: TestScheduler['call'] = (method, path, body, as = admin) => application.call(method, path, { body, as });
  const tick = () => application.get(Ticker).tick();
  const eventually: TestScheduler['eventually'] = async (look) => {
    for (const deadlineMs = performance.now() + PATIENCE_MS; performance.now() < deadlineMs;) {
      const seen = await look();
      if (seen !== undefined && seen !== null && seen !== false) return seen;
      await tick();
      await sleep(25);
    }
    throw new Error(
      `It did not happen: ${look.toString()}\n${application
        .log()
        .split('\n')
        .filter((line) => line.includes('"level":"error"'))
        .slice(-5)
        .join('\n')}`,
    );
  };
  let planNumber = 0;
  return {
    application,
    postgresql,
    database,
    messaging,
    admin,
    clock,
    scripts,
    attempts,
    told,
    worker,
    removals,
    returns,
    discarded,
    probed,
    asked,
    logRemovals,
    call,
    tick,
    eventually,
    loseCommands: (count) => void (toLose = count),
    places,
    sql: (statement) => postgresql.query(statement) as Promise<Record<string, unknown>[]>,
    async until(run, ...states) {
      let last: Run | undefined;
      const look = async (): Promise<Run | undefined> => {
        last = (await call('GET', `/api/v2/runs/${run}`)).body as Run;
        return states.includes(last.state) ? last : undefined;
      };
      return eventually(look).catch((cause: unknown) => {
        const { type, state, reasons, error, waitingFor } = last!;
        throw new Error(`The run is not ${states.join(' or ')}: ${JSON.stringify({ type, state, reasons, error, waitingFor })}`, { cause });
      });
    },
    async plan(change = {}) {
      planNumber += 1;
      const server = (await call('POST', '/api/v2/servers', { name: `server ${planNumber}`, address: ADDRESS, password: PASSWORD })).body
        .id as string;
      const answer = await call('POST', '/api/v2/plans', {
        name: `plan ${planNumber}`,
        server,
        databases: ['shop'],
        repository: 'repository_known',
        verify: [],
        ...change,
      });
      if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
      return { id: answer.body.id as string, server };
    },
    async [Symbol.asyncDispose]() {
      await application.close();
      await messaging.close();
      await database.close();
      await postgresql[Symbol.asyncDispose]();
    },
  };
}

/** The storage service's part of documents, as far as the scheduler can tell. */
function changedPlaces(places: KnownPlaces, path: string, body: unknown): KnownPlaces {
  const { request } = body as { request?: { name: string; settings: never; storage: string; prefix?: string } };
  if (path.endsWith('/storages'))
    places.storages.push({ id: `storage_${places.storages.length}`, name: request!.name, settings: request!.settings });
  if (path.endsWith('/repositories'))
    places.repositories.push({
      id: `repository_${places.repositories.length}`,
      name: request!.name,
      storage: request!.storage,
      prefix: request!.prefix ?? request!.name,
    });
  return places;
}

function reportOf(user: string, identity: string): PreflightReport {
  const nothing = { facts: [], findings: [], uses: [], databases: [], script: '' };
  return { reachable: true, user, identity, version: '15.1', role: 'primary', provider: null, ...nothing };
}

function credentialOf(power: RepositoryPower): RepositoryAccess['credential'] {
  const key = Buffer.alloc(32).toString('base64');
  if (power === 'read') return { power, masterKey: key, identitySecret: key };
  const format = { format: 'rahat-write-only-credential', version: 1, repository: '0'.repeat(32) } as const;
  return { power, writeOnly: { ...format, identitySecret: key, metadataKey: key, packPublicKey: key } };
}

function turnableClock(): TestScheduler['clock'] {
  let wallMs = 0;
  let monotonicMs = 0;
  return {
    now: () => new Date(Date.now() + wallMs),
    monotonicMs: () => performance.now() + monotonicMs,
    advance(ms) {
      wallMs += ms;
      monotonicMs += ms;
    },
    set: (ms) => void (wallMs += ms),
  };
}
