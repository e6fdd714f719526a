import { randomUUID } from 'node:crypto';
import { askManagedSnapshots } from '@rahat/cloud-accounts';
import { RahatError, RunSecrets } from '@rahat/contracts';
import {
  discoverDatabases,
  dropSlot,
  makeBackupUser,
  outlineRestore,
  outlineSafetyCopy,
  preflightServer,
  probeServer,
  removeBackupUser,
  type QuestionOptions,
} from '@rahat/execution';
import type { AnswerHandlers, Messaging, Subscription } from '@rahat/messaging';
import type { PoolKey } from '@rahat/secrets';
import type { WorkerConfig } from '../config.js';
import { Contents } from '../contents/contents.js';
import type { Janitor } from '../janitor/janitor.js';

const ANSWER_LIMIT_MS = 60_000;

/** Answers at once what only a process near the database can know. */
export class Questions {
  private subscription: Subscription | undefined;
  private readonly stopping = new AbortController();
  private readonly contents: Contents;

  constructor(
    private readonly messaging: Messaging,
    private readonly poolKey: PoolKey,
    private readonly config: WorkerConfig,
    private readonly janitor: Janitor,
  ) {
    this.contents = new Contents(config, janitor, this.stopping.signal);
  }

  start(): void {
    this.subscription = this.messaging.answer(this.config.RAHAT_WORKER_POOL, this.handlers());
  }

  async drain(): Promise<void> {
    this.stopping.abort(new RahatError('unavailable', 'The worker is stopping'));
    await Promise.all([this.subscription?.close(), this.contents.drain()]);
  }

  private handlers(): AnswerHandlers {
    return {
      'server.probe.v1': async ({ engine, binding, sealedSecrets }) => {
        const { source } = await this.open(sealedSecrets, binding);
        return this.answer((options) => probeServer(engine, needed(source), options));
      },
      'server.preflight.v1': async ({ engine, binding, sealedSecrets, databases, uses }) => {
        const { source } = await this.open(sealedSecrets, binding);
        return this.answer((options) => preflightServer(engine, needed(source), { databases, uses }, options));
      },
      'backup_user.make.v1': async ({ engine, binding, sealedSecrets, ...request }) => {
        const secrets = await this.open(sealedSecrets, binding);
        return this.answer((options) => makeBackupUser(engine, secrets, request, options));
      },
      'backup_user.remove.v1': async ({ engine, binding, sealedSecrets, mark }) => {
        const secrets = await this.open(sealedSecrets, binding);
        return this.answer((options) => removeBackupUser(engine, secrets, mark, options));
      },
      'server.discover.v1': async ({ engine, binding, sealedSecrets }) => {
        const { source } = await this.open(sealedSecrets, binding);
        return { databases: await this.answer((options) => discoverDatabases(engine, needed(source), options)) };
      },
      'server.managed_snapshots.v1': async ({ binding, sealedSecrets }) => {
        const { cloudAccount } = await this.open(sealedSecrets, binding);
        const endpoint = this.config.RAHAT_WORKER_RDS_ENDPOINT;
        return this.answer(({ signal }) => askManagedSnapshots(needed(cloudAccount), { endpoint, signal }));
      },
      'slot.drop.v1': async ({ engine, binding, sealedSecrets, slot }) => {
        const { source } = await this.open(sealedSecrets, binding);
        return this.answer((options) => dropSlot(engine, needed(source), slot, options));
      },
      'backup.read.v1': async (question) => this.contents.send(question, await this.open(question.sealedSecrets, question.binding)),
      'restore.outline.v1': async ({ spec }) => {
        const secrets = await this.open(spec.sealedSecrets, `${spec.run}/${spec.attempt}`);
        const { steps, overwrites, findings, sizeBytes, objects } = await this.answer((options) =>
          spec.type === 'restore' ? outlineRestore(spec, secrets, options) : outlineSafetyCopy(spec, secrets, options),
        );
        return { steps, overwrites, findings, sizeBytes, rows: objects.reduce((sum, object) => sum + (object.rows ?? 0), 0) };
      },
    };
  }

  private async open(sealed: string, binding: string): Promise<RunSecrets> {
    return RunSecrets.parse(JSON.parse((await this.poolKey.open(sealed, binding)).toString()));
  }

  private async answer<T>(ask: (options: QuestionOptions) => Promise<T>): Promise<T> {
    await using scratch = await this.janitor.makeScratch(`question_${randomUUID().replaceAll('-', '')}`, 1);
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new RahatError('deadline_exceeded', `The database server did not answer within ${ANSWER_LIMIT_MS / 1000} s`)),
      ANSWER_LIMIT_MS,
    );
    try {
      return await ask({
        signal: AbortSignal.any([late.signal, this.stopping.signal]),
        toolFolders: this.config.RAHAT_TOOL_FOLDERS,
        scratchFolder: scratch.path,
        cacheFolder: this.config.RAHAT_WORKER_CACHE,
      });
    } finally {
      clearTimeout(timer);
    }
  }
}

function needed<T>(source: T | undefined): T {
  if (source === undefined) throw new RahatError('message_invalid', 'The question came without the credentials that it needs');
  return source;
}
