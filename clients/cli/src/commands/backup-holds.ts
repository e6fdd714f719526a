import { backupsHold, backupsRelease } from '@rahat/api-client';
import { answer, openApi } from '../session/api.js';
import type { Terminal } from '../terminal/terminal.js';
import { findBackup } from './backups.js';

export async function holdBackup(terminal: Terminal, id: string, { reason }: { reason: string }): Promise<void> {
  const api = await openApi();
  const { id: backup } = await findBackup(api, id);
  const held = await answer(backupsHold({ client: api.client, path: { id: backup }, body: { reason } }));
  terminal.result(held, `${held.id} stays until it is released.`);
}

export async function releaseBackup(terminal: Terminal, id: string): Promise<void> {
  const api = await openApi();
  const { id: backup } = await findBackup(api, id);
  const released = await answer(backupsRelease({ client: api.client, path: { id: backup } }));
  terminal.result(released, `${released.id} is left to retention again, which looks at it after the next backup of its database.`);
}
