import { Module, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import type { SecretBox } from '@rahat/secrets';
import {
  CURSORS,
  ListPages,
  METRICS,
  runtimeProviders,
  type Cursors,
  type InternalClient,
  type Registry,
  type ServiceRuntime,
} from '@rahat/service-kit';
import { BackupsService } from './backups/backups.service.js';
import { AnnotationsService } from './catalog/annotations.service.js';
import { systemClock, type Clock } from './clock/clock.js';
import { CollectionsService } from './collections/collections.service.js';
import type { SchedulerConfig } from './config.js';
import { schedulerControllers } from './controllers.js';
import { ComparisonsService } from './comparisons/comparisons.service.js';
import { ContentsService } from './contents/contents.service.js';
import { Intake } from './contents/intake.js';
import { DiscoveryService } from './databases/discovery.service.js';
import { DeadLettersService } from './dead-letters/dead-letters.service.js';
import { DocumentsService } from './documents/documents.service.js';
import { placesBehind } from './documents/places.js';
import { LiveHub } from './live/live-hub.js';
import { liveOutbox } from './live/live-outbox.js';
import { OrganizationEvents } from './live/organization-events.js';
import { DropSlots } from './log-streams/drop-slots.js';
import { KeepStreams } from './log-streams/keep-streams.js';
import { LogRemovals } from './log-streams/log-removals.js';
import { LogStreams } from './log-streams/log-streams.js';
import { LogTick } from './log-streams/log-tick.js';
import { RequestBases } from './log-streams/request-bases.js';
import { AskProviders } from './managed-snapshots/ask-providers.js';
import { ManagedSnapshotsService } from './managed-snapshots/managed-snapshots.service.js';
import { LogMetrics } from './metrics/log-metrics.js';
import { ProtectionMetrics } from './metrics/protection-metrics.js';
import { RunMetrics } from './metrics/run-metrics.js';
import { PlanPauses } from './plans/plan-pauses.js';
import { PlansService } from './plans/plans.service.js';
import { ScheduleExplanations } from './plans/schedule-explanations.js';
import { PlatformProtectionService } from './platform/platform-protection.service.js';
import { SettlingClock } from './protections/settling-clock.js';
import { Settling } from './protections/settling.js';
import { LeftSnapshots } from './rebuild/left-snapshots.js';
import { FoundPages } from './rebuild/found-pages.js';
import { RebuildService } from './rebuild/rebuild.service.js';
import { WindowsService } from './recovery/windows.service.js';
import { ExpireSafetyCopies } from './restores/expire-safety-copies.js';
import { RestorePlansService } from './restores/restore-plans.service.js';
import { SafetyCopiesService } from './restores/safety-copies.service.js';
import { BackupHolds } from './retention/backup-holds.js';
import { Removals } from './retention/removals.js';
import { RetentionService } from './retention/retention.service.js';
import { AttemptEnd } from './runs/attempt-end.js';
import { AttemptMessages } from './runs/attempt-messages.js';
import { BackupNow } from './runs/backup-now.js';
import { MessageConsumers } from './runs/message-consumers.js';
import { Memory } from './runs/memory.js';
import { repositoriesBehind } from './runs/repositories.js';
import { RunEvents } from './runs/run-events.js';
import { RunLedger } from './runs/run-ledger.js';
import { RunOutcomes } from './runs/run-outcomes.js';
import { RunPauses } from './runs/run-pauses.js';
import { RunSpecs } from './runs/run-specs.js';
import { RunsService } from './runs/runs.service.js';
import { DiscoverNewDatabases } from './runs/tick/discover-new-databases.js';
import { Dispatch } from './runs/tick/dispatch.js';
import { Ticker } from './runs/tick/ticker.js';
import { WatchAttempts } from './runs/tick/watch-attempts.js';
import { SavedSearchesService } from './search/saved-searches.service.js';
import { SearchService } from './search/search.service.js';
import { ServerSecrets } from './servers/server-secrets.js';
import { SchedulingService } from './scheduling/scheduling.service.js';
import { ServerGroupsService } from './servers/server-groups.service.js';
import { ServerAccess } from './servers/server-access.js';
import { ServersService } from './servers/servers.service.js';
import { WorkerQuestions } from './servers/worker-questions.js';
import { StatusService } from './status/status.service.js';
import { TemplatesService } from './templates/templates.service.js';
import { Returns } from './trash/returns.js';
import { TrashService } from './trash/trash.service.js';
import { VerificationChain } from './verification/verification-chain.js';

export interface SchedulerParts {
  runtime: ServiceRuntime;
  config: SchedulerConfig;
  secretBox: SecretBox;
  /** Reaches the storage service, for repository grants. */
  internal: Pick<InternalClient, 'post'>;
  clock?: Clock;
}

@Module({})
export class SchedulerModule {
  static register({ runtime, config, secretBox, internal, clock = systemClock }: SchedulerParts): DynamicModule {
    const { database, messaging } = runtime;
    const outbox = liveOutbox(runtime.outbox, messaging);
    const liveHub = new LiveHub(messaging);
    const repositories = repositoriesBehind(internal);
    const secrets = new ServerSecrets(secretBox, config);
    const questions = new WorkerQuestions(messaging, secrets);
    const discovery = new DiscoveryService(database, outbox, questions, secrets, clock);
    const providers = new AskProviders(
      database,
      outbox,
      secrets,
      questions,
      config.RAHAT_SCHEDULER_MANAGED_SNAPSHOTS_MINUTES * 60_000,
      clock,
    );
    const runMetrics = new RunMetrics();
    const memory = new Memory(config, clock);
    const ledger = new RunLedger(
      outbox,
      clock,
      memory,
      () => ticker.hurry(),
      (run) => runMetrics.moved(run),
    );
    const verification = new VerificationChain(ledger, clock);
    const returns = new Returns(outbox, clock);
    const removals = new Removals(outbox, returns, clock);
    const retention = new RetentionService(database, outbox, removals, clock);
    const streams = new LogStreams(outbox, clock);
    const outcomes = new RunOutcomes(outbox, verification, streams, clock);
    const attemptEnd = new AttemptEnd(messaging, ledger, outcomes, config, clock);
    const specs = new RunSpecs(database, secrets, repositories, clock);
    const backupNow = new BackupNow(database, outbox, ledger, discovery, clock);
    const planPauses = new PlanPauses(ledger);
    const runPauses = new RunPauses(database, outbox, messaging, clock, () => ticker.hurry());
    const settling = new Settling(database, clock);
    const status = new StatusService(database, settling, clock);
    const logRemovals = new LogRemovals(outbox, clock);
    const intake = new Intake({
      host: config.RAHAT_SCHEDULER_INTAKE_HOST,
      port: config.RAHAT_SCHEDULER_INTAKE_PORT,
      url: config.RAHAT_SCHEDULER_INTAKE_URL,
    });
    const ticker = new Ticker(
      database,
      ledger,
      verification,
      new Dispatch(database, outbox, messaging, ledger, outcomes, specs, config, clock),
      new WatchAttempts(database, messaging, attemptEnd, config, clock),
      removals,
      returns,
      new DiscoverNewDatabases(database, discovery, config.RAHAT_SCHEDULER_DISCOVERY_MINUTES * 60_000, clock),
      providers,
      planPauses,
      runPauses,
      memory,
      new LeftSnapshots(outbox, ledger, config, clock),
      new LogTick({
        streams: new KeepStreams(outbox, messaging, ledger, config.RAHAT_SCHEDULER_SLOT_KEPT_MINUTES * 60_000, clock),
        bases: new RequestBases(outbox, ledger, clock),
        removals: logRemovals,
        slots: new DropSlots(database, outbox, questions, secrets, clock),
      }),
      new ExpireSafetyCopies(outbox, ledger, clock),
      config,
      clock,
    );
    const consumers = new MessageConsumers(
      messaging,
      database,
      new AttemptMessages(messaging, ledger, attemptEnd, streams, clock),
      verification,
      retention,
      removals,
      returns,
      logRemovals,
      ticker,
      new FoundPages(database, clock),
      clock,
    );
    return {
      module: SchedulerModule,
      controllers: schedulerControllers,
      providers: [
        ...runtimeProviders(runtime, config),
        { provide: DiscoveryService, useValue: discovery },
        { provide: AskProviders, useValue: providers },
        listing(ManagedSnapshotsService, (pagesOf) => new ManagedSnapshotsService(database, outbox, secrets, pagesOf('managed-snapshots'))),
        { provide: RetentionService, useValue: retention },
        { provide: BackupHolds, useValue: new BackupHolds(database, outbox, clock) },
        { provide: BackupNow, useValue: backupNow },
        { provide: RunMetrics, inject: [METRICS], useFactory: (registry: Registry) => runMetrics.registerIn(registry) },
        {
          provide: ProtectionMetrics,
          inject: [METRICS],
          useFactory: (registry: Registry) => new ProtectionMetrics(database, status, registry, clock),
        },
        { provide: LogMetrics, inject: [METRICS], useFactory: (registry: Registry) => new LogMetrics(database, registry, clock) },
        { provide: Ticker, useValue: ticker },
        { provide: SettlingClock, useValue: new SettlingClock(settling) },
        { provide: MessageConsumers, useValue: consumers },
        { provide: ServerAccess, useValue: new ServerAccess(database, outbox, secrets, questions, clock) },
        listing(ServersService, (pagesOf) => new ServersService(database, outbox, secrets, questions, pagesOf('servers'), clock)),
        listing(
          PlansService,
          (pagesOf) => new PlansService(database, outbox, discovery, repositories, planPauses, secrets, pagesOf('plans'), clock),
        ),
        listing(ServerGroupsService, (pagesOf) => new ServerGroupsService(database, outbox, pagesOf('server-groups'))),
        {
          provide: TemplatesService,
          inject: [PlansService],
          useFactory: (plans: PlansService) => new TemplatesService(database, outbox, plans, clock),
        },
        {
          provide: DocumentsService,
          inject: [SchedulingService, ServerGroupsService, ServersService, TemplatesService, PlansService],
          useFactory: (
            scheduling: SchedulingService,
            groups: ServerGroupsService,
            servers: ServersService,
            templates: TemplatesService,
            plans: PlansService,
          ) => new DocumentsService({ scheduling, groups, servers, templates, plans, places: placesBehind(internal) }),
        },
        { provide: SchedulingService, useValue: new SchedulingService(database, outbox) },
        { provide: ScheduleExplanations, useValue: new ScheduleExplanations(database, clock) },
        { provide: RunPauses, useValue: runPauses },
        listing(
          RunsService,
          (pagesOf) => new RunsService(database, outbox, messaging, ledger, { runs: pagesOf('runs'), log: pagesOf('log') }, clock),
        ),
        { provide: LiveHub, useValue: liveHub },
        { provide: OrganizationEvents, useValue: new OrganizationEvents(database, liveHub, clock) },
        { provide: RunEvents, useValue: new RunEvents(database, liveHub) },
        listing(BackupsService, (pagesOf) => new BackupsService(database, outbox, verification, pagesOf('backups'))),
        { provide: Intake, useValue: intake },
        { provide: ContentsService, useValue: new ContentsService(database, outbox, repositories, questions, intake) },
        { provide: WindowsService, useValue: new WindowsService(database, clock) },
        { provide: ComparisonsService, useValue: new ComparisonsService(database, outbox, ledger, clock) },
        { provide: RebuildService, useValue: new RebuildService(database, outbox, ledger, placesBehind(internal), clock) },
        {
          provide: RestorePlansService,
          useValue: new RestorePlansService(database, outbox, ledger, secrets, questions, repositories, clock),
        },
        listing(
          SafetyCopiesService,
          (pagesOf) => new SafetyCopiesService(database, outbox, ledger, secrets, questions, pagesOf('safety-copies'), clock),
        ),
        listing(TrashService, (pagesOf) => new TrashService(database, outbox, removals, returns, pagesOf('trash'))),
        listing(
          CollectionsService,
          (pagesOf) => new CollectionsService(database, outbox, ledger, repositories, pagesOf('collections'), clock),
        ),
        listing(DeadLettersService, (pagesOf) => new DeadLettersService(messaging.deadLetters, database, outbox, pagesOf('dead-letters'))),
        { provide: AnnotationsService, useValue: new AnnotationsService(database, outbox) },
        listing(SavedSearchesService, (pagesOf) => new SavedSearchesService(database, outbox, pagesOf('saved-searches'))),
        {
          provide: SearchService,
          inject: [ServersService, PlansService, RunsService, BackupsService],
          useFactory: (servers: ServersService, plans: PlansService, runs: RunsService, backups: BackupsService) =>
            new SearchService({ servers, plans, runs, backups }),
        },
        { provide: StatusService, useValue: status },
        { provide: PlatformProtectionService, useValue: new PlatformProtectionService(database, outbox, secrets, backupNow, clock) },
      ],
      exports: [Ticker],
    };
  }
}

/** A service with lists; the key that signs their cursors is known only to the running application. */
function listing<T>(service: Type<T>, make: (pagesOf: (list: string) => ListPages) => T): Provider {
  return { provide: service, inject: [CURSORS], useFactory: (cursors: Cursors) => make((list) => new ListPages(cursors, list)) };
}
