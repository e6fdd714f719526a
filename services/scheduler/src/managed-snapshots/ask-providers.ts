import { RahatError, type CloudAccountState, type Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import { wholeOrganization, type TenantDatabase, type Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import { findServer, serverTarget, type ServerRow } from '../servers/servers.table.js';
import type { WorkerQuestions } from '../servers/worker-questions.js';
import { recordOwnAct } from '../trail/trail.js';
import {
  claimDueAccounts,
  findAccount,
  lockAccount,
  neededAccount,
  presentAccount,
  recordAnswer,
  recordFailure,
  type CloudAccountRow,
} from './cloud-accounts.table.js';
import { takeManagedSnapshots } from './managed-snapshots.table.js';

const ASKED_AT_ONCE = 10;
/** Names in an entry of the trail. */
const NAMES_TOLD = 20;

/** Has workers ask the providers of servers which snapshots they hold, now and then, and brings the references to what they tell. */
export class AskProviders {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly secrets: ServerSecrets,
    private readonly questions: WorkerQuestions,
    private readonly everyMs: number,
    private readonly clock: Clock,
  ) {}

  async discover(principal: Principal, id: string): Promise<CloudAccountState> {
    const { server, row } = await this.database.inOrganization(principal, async (transaction) => ({
      server: await findServer(transaction, id),
      row: neededAccount(await findAccount(transaction, id)),
    }));
    return this.ask(server, row, principal);
  }

  /** By the scheduler itself. One that can't be asked says so in its state. */
  async discoverDue(): Promise<void> {
    const due = await this.database.asSystem('find cloud accounts to ask', async (transaction) => {
      const claimed: { row: CloudAccountRow; server: ServerRow }[] = [];
      for (const row of await claimDueAccounts(transaction, this.clock.now(), this.everyMs, ASKED_AT_ONCE))
        claimed.push({ row, server: await findServer(transaction, row.server_id) });
      return claimed;
    });
    await Promise.allSettled(due.map(({ server, row }) => this.ask(server, row)));
  }

  private async ask(server: ServerRow, row: CloudAccountRow, principal?: Principal): Promise<CloudAccountState> {
    const tenant = principal ?? wholeOrganization(server.organization_id);
    try {
      const found = await this.questions.managedSnapshots(server.pool, this.secrets.cloudAccountOf(server, row));
      return await this.database.inOrganization(tenant, async (transaction) => {
        await sameAsAsked(transaction, row);
        const now = this.clock.now();
        const { appeared, gone } = await takeManagedSnapshots(transaction, server, found, now);
        // The stored secret was opened for it.
        const act = {
          action: 'server.managed_snapshots_read',
          target: serverTarget(server),
          details: {
            ...found.resource,
            found: found.snapshots.length,
            appeared: appeared.slice(0, NAMES_TOLD),
            gone: gone.slice(0, NAMES_TOLD),
          },
        };
        await (principal
          ? recordAct(this.outbox, transaction, principal, act)
          : recordOwnAct(this.outbox, transaction, server.organization_id, act));
        return presentAccount(server.id, await recordAnswer(transaction, server.id, found.recovery, now));
      });
    } catch (error) {
      const { code, message, hint } = RahatError.from(error);
      await this.database.inOrganization(tenant, async (transaction) => {
        const current = await lockAccount(transaction, server.id);
        if (current && same(current, row)) await recordFailure(transaction, server.id, { code, message, hint }, this.clock.now());
      });
      throw error;
    }
  }
}

/** An answer that comes after somebody changed the account is of another one. */
async function sameAsAsked(transaction: Transaction, asked: CloudAccountRow): Promise<void> {
  const current = await lockAccount(transaction, asked.server_id);
  if (!current || !same(current, asked))
    throw new RahatError('precondition_failed', 'Somebody changed the cloud account of this server meanwhile.');
}

function same(one: CloudAccountRow, other: CloudAccountRow): boolean {
  return JSON.stringify(one.account) === JSON.stringify(other.account) && one.sealed_secret === other.sealed_secret;
}
