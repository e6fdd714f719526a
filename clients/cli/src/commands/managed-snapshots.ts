import {
  cloudAccountsGet,
  cloudAccountsRemove,
  cloudAccountsSet,
  managedSnapshotsDiscover,
  managedSnapshotsList,
  type CloudAccountState,
  type ManagedSnapshot,
  type SetCloudAccount,
} from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { askAccessKeySecret } from '../terminal/ask-secret.js';
import { table, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findServer } from './servers.js';

const WHOSE =
  'They lie at Amazon and nowhere else: in none of your repositories, under none of your rules, and no proof of anything. Automated ones vanish with the server.';

export async function listManagedSnapshots(
  terminal: Terminal,
  name: string,
  options: { refresh: boolean; origin?: ManagedSnapshot['origin']; gone: boolean },
): Promise<void> {
  const api = await openApi();
  const path = { server: (await findServer(api, name)).id };
  const { client } = api;
  const state = await answer(options.refresh ? managedSnapshotsDiscover({ client, path }) : cloudAccountsGet({ client, path }));
  const query = { origin: options.origin, gone: options.gone ? undefined : ('false' as const), limit: 200 };
  const snapshots = await allPages((cursor) => answer(managedSnapshotsList({ client, path, query: { ...query, cursor } })));
  const rows = snapshots.map((one) => [
    visible(one.name),
    one.origin,
    one.createdAt ?? '–',
    one.allocatedGib === null ? '–' : `${one.allocatedGib} GiB`,
    `${one.engine} ${one.engineVersion ?? ''}`.trim(),
    one.encrypted ? 'encrypted' : 'not encrypted',
    one.goneAt === null ? one.status : `gone since ${one.goneAt}`,
  ]);
  terminal.result(
    { ...state, snapshots },
    [WHOSE, toldOf(state), table(['SNAPSHOT', 'ORIGIN', 'CREATED', 'OF', 'ENGINE', 'AT REST', 'STATE'], rows)].join('\n'),
  );
}

export interface CloudAccountOptions {
  awsRegion?: string;
  awsAccessKey?: string;
  instance?: string;
  cluster?: string;
  remove: boolean;
}

export async function setCloudAccount(terminal: Terminal, name: string, options: CloudAccountOptions): Promise<void> {
  if (options.instance !== undefined && options.cluster !== undefined)
    throw new RahatError('invalid_input', 'Give either --instance or --cluster.');
  const api = await openApi();
  const server = await findServer(api, name);
  const path = { server: server.id };
  if (options.remove) {
    await answer(cloudAccountsRemove({ client: api.client, path }));
    terminal.result({ server: server.id }, `The provider of ${server.name} is asked no more, and its snapshots are forgotten here.`);
    return;
  }
  const body: SetCloudAccount = {
    provider: 'aws',
    region: options.awsRegion,
    resource: resourceOf(options),
    credentials: await credentialsOf(options.awsAccessKey),
  };
  const state = await answer(cloudAccountsSet({ client: api.client, path, body }));
  terminal.result(state, `Amazon is asked for the snapshots of ${placeOf(state)}.`);
}

function resourceOf({ instance, cluster }: CloudAccountOptions): SetCloudAccount['resource'] {
  if (instance !== undefined) return { kind: 'instance', id: instance };
  return cluster === undefined ? undefined : { kind: 'cluster', id: cluster };
}

async function credentialsOf(accessKeyId: string | undefined): Promise<SetCloudAccount['credentials']> {
  if (accessKeyId === undefined) return { source: 'environment' };
  const secretAccessKey = await askAccessKeySecret(accessKeyId);
  return { source: 'access-key', accessKeyId, secretAccessKey };
}

function placeOf({ account }: CloudAccountState): string {
  return account === null ? 'nothing' : `the ${account.resource.kind} ${account.resource.id} in ${account.region}`;
}

function toldOf(state: CloudAccountState): string {
  const { account, answeredAt, error, recovery } = state;
  if (account === null) return 'Nobody asks Amazon for them: rahat-backup server cloud-account says with which credentials that is done.';
  const lines = [`Of ${placeOf(state)}, ${answeredAt === null ? 'which has not answered yet' : `as told at ${answeredAt}`}.`];
  if (error) lines.push(`The last question was not answered: ${error.message}${error.hint ? ` ${error.hint}` : ''}`);
  if (recovery) {
    const { retentionDays, earliest, latest } = recovery;
    lines.push(
      retentionDays === 0
        ? "Amazon's automated backups are off."
        : `Amazon's own recovery reaches from ${earliest ?? 'a moment it did not tell'} to ${latest ?? 'a moment it did not tell'}; automated snapshots are kept for ${retentionDays} days.`,
    );
  }
  return lines.join('\n');
}
