import { randomUUID } from 'node:crypto';
import {
  BackupUse,
  type Answer,
  type CloudAccountConnection,
  type Engine,
  type PostgresqlConnection,
  type PreflightRequest,
  type Question,
  type RestoreSpec,
  type RunSecrets,
  type SafetyCopySpec,
} from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';
import type { ServerSecrets } from './server-secrets.js';

const PROBE_TIMEOUT_MS = 30_000;
const OUTLINE_TIMEOUT_MS = 60_000;
const CONTENTS_TIMEOUT_MS = 60_000;
/** A little more than a worker takes at most, so that its own word about being late arrives. */
const LONG_TIMEOUT_MS = 90_000;

/** Who makes a backup user, and the user to make. */
export interface BackupUserEnds {
  admin: PostgresqlConnection;
  user: PostgresqlConnection;
}

export type BackupUserOrder = Omit<Question<'backup_user.make.v1'>, 'engine' | 'binding' | 'sealedSecrets'>;

/** Asks a worker of the pool, because only it is near the database server. */
export class WorkerQuestions {
  constructor(
    private readonly messaging: Messaging,
    private readonly secrets: ServerSecrets,
  ) {}

  async probe(pool: string, engine: Engine, connection: PostgresqlConnection): Promise<Answer<'server.probe.v1'>> {
    return this.messaging.ask(pool, 'server.probe.v1', await this.sealed(pool, engine, connection), PROBE_TIMEOUT_MS);
  }

  async discover(pool: string, engine: Engine, connection: PostgresqlConnection): Promise<Answer<'server.discover.v1'>> {
    return this.messaging.ask(pool, 'server.discover.v1', await this.sealed(pool, engine, connection), PROBE_TIMEOUT_MS);
  }

  async preflight(
    pool: string,
    engine: Engine,
    connection: PostgresqlConnection,
    { databases, uses = BackupUse.options }: PreflightRequest,
  ): Promise<Answer<'server.preflight.v1'>> {
    const question = { ...(await this.sealed(pool, engine, connection)), databases, uses: [...uses] };
    return this.messaging.ask(pool, 'server.preflight.v1', question, LONG_TIMEOUT_MS);
  }

  async makeBackupUser(
    pool: string,
    engine: Engine,
    { admin, user }: BackupUserEnds,
    order: BackupUserOrder,
  ): Promise<Answer<'backup_user.make.v1'>> {
    return this.messaging.ask(
      pool,
      'backup_user.make.v1',
      { ...(await this.sealed(pool, engine, admin, user)), ...order },
      LONG_TIMEOUT_MS,
    );
  }

  async removeBackupUser(
    pool: string,
    engine: Engine,
    { admin, user }: BackupUserEnds,
    mark: string,
  ): Promise<Answer<'backup_user.remove.v1'>> {
    return this.messaging.ask(pool, 'backup_user.remove.v1', { ...(await this.sealed(pool, engine, admin, user)), mark }, PROBE_TIMEOUT_MS);
  }

  async managedSnapshots(pool: string, cloudAccount: CloudAccountConnection): Promise<Answer<'server.managed_snapshots.v1'>> {
    const question = await this.sealedSecrets(pool, { cloudAccount, repositories: [] });
    return this.messaging.ask(pool, 'server.managed_snapshots.v1', question, LONG_TIMEOUT_MS);
  }

  async dropSlot(pool: string, engine: Engine, connection: PostgresqlConnection, slot: string): Promise<Answer<'slot.drop.v1'>> {
    return this.messaging.ask(pool, 'slot.drop.v1', { ...(await this.sealed(pool, engine, connection)), slot }, PROBE_TIMEOUT_MS);
  }

  async outline(pool: string, spec: RestoreSpec | SafetyCopySpec): Promise<Answer<'restore.outline.v1'>> {
    return this.messaging.ask(pool, 'restore.outline.v1', { spec }, OUTLINE_TIMEOUT_MS);
  }

  async contents(
    pool: string,
    what: Omit<Question<'backup.read.v1'>, 'binding' | 'sealedSecrets'>,
    secrets: RunSecrets,
  ): Promise<Answer<'backup.read.v1'>> {
    return this.messaging.ask(pool, 'backup.read.v1', { ...what, ...(await this.sealedSecrets(pool, secrets)) }, CONTENTS_TIMEOUT_MS);
  }

  private async sealed(pool: string, engine: Engine, source: PostgresqlConnection, target?: PostgresqlConnection) {
    return { engine, ...(await this.sealedSecrets(pool, { source, target, repositories: [] })) };
  }

  private async sealedSecrets(pool: string, secrets: RunSecrets) {
    const binding = randomUUID();
    return { binding, sealedSecrets: await this.secrets.sealForPool(pool, secrets, binding) };
  }
}
