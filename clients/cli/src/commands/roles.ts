import { rolesList } from '@rahat/api-client';
import { answer, openApi } from '../session/api.js';
import { table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

export async function listRoles(terminal: Terminal): Promise<void> {
  const { client } = await openApi();
  const { data } = await answer(rolesList({ client }));
  terminal.result(
    data,
    table(
      ['ROLE', 'MAY', 'TO SERVER GROUPS', 'SCOPES'],
      data.map(({ role, description, limitable, scopes }) => [role, description, limitable ? 'can be limited' : '–', scopes.join(' ')]),
    ),
  );
}
