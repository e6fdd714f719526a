import { randomUUID } from 'node:crypto';
import type { Answer, Engine, PostgresqlConnection, Question, RestoreSpec, RunSecrets } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';
import type { ServerSecrets } from './server-secrets.js';

const PROBE_TIMEOUT_MS = 30_000;
const OUTLINE_TIMEOUT_MS = 60_000;
const CONTENTS_TIMEOUT_MS = 60_000;

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

  async dropSlot(pool: string, engine: Engine, connection: PostgresqlConnection, slot: string): Promise<Answer<'slot.drop.v1'>> {
    return this.messaging.ask(pool, 'slot.drop.v1', { ...(await this.sealed(pool, engine, connection)), slot }, PROBE_TIMEOUT_MS);
  }

  async outline(pool: string, spec: RestoreSpec): Promise<Answer<'restore.outline.v1'>> {
    return this.messaging.ask(pool, 'restore.outline.v1', { spec }, OUTLINE_TIMEOUT_MS);
  }

  async contents(
    pool: string,
    what: Omit<Question<'backup.read.v1'>, 'binding' | 'sealedSecrets'>,
    secrets: RunSecrets,
  ): Promise<Answer<'backup.read.v1'>> {
    const binding = randomUUID();
    const sealedSecrets = await this.secrets.sealForPool(pool, secrets, binding);
    return this.messaging.ask(pool, 'backup.read.v1', { ...what, binding, sealedSecrets }, CONTENTS_TIMEOUT_MS);
  }

  private async sealed(pool: string, engine: Engine, connection: PostgresqlConnection) {
    const binding = randomUUID();
    return { engine, binding, sealedSecrets: await this.secrets.sealForPool(pool, { source: connection, repositories: [] }, binding) };
  }
}
