import {
  RahatError,
  regionOfRdsHost,
  resourceOfRdsHost,
  type CloudAccount,
  type CloudAccountState,
  type ManagedSnapshot,
  type ManagedSnapshotQuery,
  type Page,
  type Principal,
  type SetCloudAccount,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase } from '@rahat/persistence';
import { changesBetween, recordAct, whatever, type Expected, type ListPages } from '@rahat/service-kit';
import { lockRow } from '../input/lock-row.js';
import { mistaken } from '../input/mistake.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import { findServer, serverTarget, type ServerRow } from '../servers/servers.table.js';
import { deleteAccount, findAccount, lockAccount, neededAccount, presentAccount, putAccount } from './cloud-accounts.table.js';
import { forgetManagedSnapshots, listManagedSnapshots, presentManagedSnapshot } from './managed-snapshots.table.js';

/** References to snapshots that lie at the provider of a server. They are shown, and counted as nothing else. */
export class ManagedSnapshotsService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly secrets: ServerSecrets,
    private readonly pages: ListPages,
  ) {}

  async account(principal: Principal, server: string): Promise<CloudAccountState> {
    return this.database.inOrganization(principal, async (transaction) => {
      await findServer(transaction, server);
      return presentAccount(server, await findAccount(transaction, server));
    });
  }

  async set(principal: Principal, id: string, request: SetCloudAccount, expected: Expected = whatever): Promise<CloudAccountState> {
    return this.database.inOrganization(principal, async (transaction) => {
      const server = await findServer(transaction, id);
      if (server.platform) throw new RahatError('conflict', "The platform's own server lies at no provider");
      const account = accountIn(request, server);
      await lockRow(transaction, 'servers', id);
      const before = await lockAccount(transaction, id);
      expected(presentAccount(id, before));
      const moved = before !== undefined && !sameResource(before.account, account);
      const forgotten = moved ? await forgetManagedSnapshots(transaction, id) : 0;
      const row = await putAccount(transaction, {
        server_id: id,
        organization_id: server.organization_id,
        account,
        sealed_secret: this.sealed(server, request),
      });
      await recordAct(this.outbox, transaction, principal, {
        action: 'cloud_account.set',
        target: serverTarget(server),
        details: {
          ...changesBetween(before?.account, account, { secretAccessKey: request.credentials.source === 'access-key' }),
          forgotten,
        },
      });
      return presentAccount(id, row);
    });
  }

  /** The references go with it: nobody would say any more what became of them. */
  async remove(principal: Principal, id: string, expected: Expected = whatever): Promise<void> {
    await this.database.inOrganization(principal, async (transaction) => {
      const server = await findServer(transaction, id);
      const row = neededAccount(await lockAccount(transaction, id));
      expected(presentAccount(id, row));
      const forgotten = await forgetManagedSnapshots(transaction, id);
      await deleteAccount(transaction, id);
      const details = { ...changesBetween(row.account, undefined), forgotten };
      await recordAct(this.outbox, transaction, principal, { action: 'cloud_account.removed', target: serverTarget(server), details });
    });
  }

  async list(principal: Principal, server: string, query: ManagedSnapshotQuery): Promise<Page<ManagedSnapshot>> {
    const [after] = this.pages.after(query.cursor);
    const rows = await this.database.inOrganization(principal, async (transaction) => {
      await findServer(transaction, server);
      return listManagedSnapshots(transaction, server, query, after);
    });
    return this.pages.page(rows, query.limit, presentManagedSnapshot, (row) => [row.id]);
  }

  private sealed(server: ServerRow, { credentials }: SetCloudAccount): string | null {
    return credentials.source === 'access-key' ? this.secrets.sealCloudSecret(server, credentials.secretAccessKey) : null;
  }
}

function sameResource(one: CloudAccount, other: CloudAccount): boolean {
  return one.region === other.region && one.resource.kind === other.resource.kind && one.resource.id === other.resource.id;
}

function accountIn({ provider, region, resource, credentials }: SetCloudAccount, { address: { host } }: ServerRow): CloudAccount {
  const told = { region: region ?? regionOfRdsHost(host), resource: resource ?? resourceOfRdsHost(host) };
  if (told.region === undefined) throw mistaken({ pointer: '/region', message: `is needed: the name ${host} tells no region of Amazon` });
  if (told.resource === undefined)
    throw mistaken({ pointer: '/resource', message: `is needed: the name ${host} tells no instance or cluster of Amazon` });
  const signer =
    credentials.source === 'access-key' ? ({ source: 'access-key', accessKeyId: credentials.accessKeyId } as const) : credentials;
  return { provider, region: told.region, resource: told.resource, credentials: signer };
}
