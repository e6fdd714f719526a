import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Inject,
  Injectable,
  Logger,
  Module,
  type OnApplicationBootstrap,
  Optional,
} from '@nestjs/common';
import type { Messaging } from '@rahat/messaging';
import { openPoolKey } from '@rahat/secrets';
import { CONFIG, MESSAGING, METRICS, runtimeProviders, type Registry, type StatelessRuntime } from '@rahat/service-kit';
import { Attempts } from './attempts/attempts.js';
import type { WorkerConfig } from './config.js';
import { Janitor } from './janitor/janitor.js';
import { WorkerMetrics } from './metrics/worker-metrics.js';
import { Questions } from './questions/questions.js';

/** Cleans up after the last worker, then takes work; on shutdown takes no more and drains. */
@Injectable()
export class BackupWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('backup-worker');
  private readonly metrics: WorkerMetrics;
  private attempts: Attempts | undefined;
  private questions: Questions | undefined;

  constructor(
    @Inject(MESSAGING) private readonly messaging: Messaging,
    @Inject(CONFIG) private readonly config: WorkerConfig,
    @Optional() @Inject(METRICS) registry?: Registry,
  ) {
    this.metrics = new WorkerMetrics(config.RAHAT_WORKER_POOL);
    if (registry) this.metrics.registerIn(registry);
  }

  async onApplicationBootstrap(): Promise<void> {
    const poolKey = await openPoolKey(this.config.RAHAT_WORKER_POOL_KEY_PATH);
    const janitor = new Janitor(this.config.RAHAT_WORKER_SCRATCH);
    for (const leftover of await janitor.clean()) this.logger.log(`Removed ${leftover}, which a dead attempt had left`);
    this.questions = new Questions(this.messaging, poolKey, this.config, janitor);
    this.attempts = new Attempts(this.messaging, poolKey, this.config, janitor, this.metrics);
    this.questions.start();
    await this.attempts.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.questions?.drain(), this.attempts?.drain()]);
  }
}

@Module({})
export class BackupWorkerModule {
  static register({ runtime, config }: { runtime: StatelessRuntime; config: WorkerConfig }): DynamicModule {
    return { module: BackupWorkerModule, providers: [...runtimeProviders(runtime, config), BackupWorker] };
  }
}
