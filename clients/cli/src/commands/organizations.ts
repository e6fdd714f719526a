import {
  organizationGet,
  organizationsCreate,
  organizationsList,
  organizationUpdate,
  sessionsEnterOrganization,
  type Client,
} from '@rahat/api-client';
import { answer, openApi } from '../session/api.js';
import { makeMachineKey } from '../session/machine-key.js';
import { allPages } from '../session/pages.js';
import { clientWith, openPersonalApi, type PersonalOptions } from '../session/personal-api.js';
import { resolve } from '../session/resolve.js';
import { keepLogin } from '../session/settings.js';
import { table, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

export async function showOrganization(terminal: Terminal): Promise<void> {
  const { client } = await openApi();
  const organization = await answer(organizationGet({ client }));
  terminal.result(organization, `${visible(organization.name)} (${organization.id}), ${organization.members} members`);
}

export async function renameOrganization(terminal: Terminal, name: string): Promise<void> {
  const { client } = await openApi();
  const organization = await answer(organizationUpdate({ client, body: { name } }));
  terminal.result(organization, `The organization is called ${visible(organization.name)} now.`);
}

export async function listOrganizations(terminal: Terminal): Promise<void> {
  const { client } = await openApi();
  const organizations = await loadOrganizations(client);
  terminal.result(
    organizations,
    table(
      ['ORGANIZATION', 'YOUR ROLE', 'CURRENT', 'ID'],
      organizations.map(({ name, role, current, id }) => [name, role, current ? '*' : '', id]),
    ),
  );
}

export async function createOrganization(terminal: Terminal, name: string, options: PersonalOptions): Promise<void> {
  await using api = await openPersonalApi(options);
  const organization = await answer(organizationsCreate({ client: api.client, body: { name } }));
  terminal.result(
    organization,
    `You own ${visible(organization.name)} (${organization.id}). Go on in it with: rahat-backup organization use ${organization.id}`,
  );
}

/** An API key belongs to one organization, so this machine gets another one. */
export async function useOrganization(terminal: Terminal, name: string, options: PersonalOptions): Promise<void> {
  await using api = await openPersonalApi(options);
  const { id } = resolve('organization', name, await loadOrganizations(api.client));
  const { accessToken } = await answer(sessionsEnterOrganization({ client: api.client, body: { organization: id } }));
  const client = clientWith(api.url, accessToken);
  // The session that was opened for this has new tokens now; it is ended by them.
  api.client = client;
  const key = await makeMachineKey(client);
  const organization = await answer(organizationGet({ client }));
  const place = await keepLogin(api.url, key.secret);
  terminal.result({ organization, apiKey: key.id }, `In ${visible(organization.name)} from now on. The key is kept in ${place}.`);
}

const loadOrganizations = (client: Client) => allPages((cursor) => answer(organizationsList({ client, query: { cursor, limit: 200 } })));
