import { setTimeout as sleep } from 'node:timers/promises';
import { backupsBringBack, backupsGet, backupsRemove, trashList } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { age, bytes, table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findBackup } from './backups.js';
import { wholeNumber } from './plans.js';
import { findRepository } from './storages.js';

const POLL_MS = 300;
const PATIENCE_MS = 60_000;

export async function listTrash(terminal: Terminal, options: { repository?: string; limit: string }): Promise<void> {
  const api = await openApi();
  const limit = wholeNumber('--limit', options.limit);
  const repository = options.repository === undefined ? undefined : (await findRepository(api, options.repository)).id;
  const entries = await allPages(
    (cursor) => answer(trashList({ client: api.client, query: { cursor, repository, limit: Math.min(limit, 200) } })),
    limit,
  );
  terminal.result(
    entries,
    table(
      ['BACKUP', 'SERVER', 'DATABASE', 'TAKEN', 'PROOF', 'SIZE', 'REMOVED', 'UNDO UNTIL', 'WHY'],
      entries.map((entry) => [
        entry.backup,
        entry.serverName,
        entry.databaseName ?? '(whole server)',
        age(entry.consistentAt),
        entry.proof,
        bytes(entry.sizeBytes),
        age(entry.removedAt),
        entry.state === 'returning' ? `coming back${entry.error ? `: ${entry.error.message}` : ''}` : age(entry.undoUntil),
        entry.reason,
      ]),
    ),
  );
}

export async function removeBackup(terminal: Terminal, id: string, { reason }: { reason: string }): Promise<void> {
  const api = await openApi();
  const backup = await findBackup(api, id);
  const removed = await answer(backupsRemove({ client: api.client, path: { id: backup.id }, body: { reason } }));
  terminal.result(removed, `${removed.id} is on its way to the trash; \`rahat-backup backup bring-back ${removed.id}\` undoes it.`);
}

/** Waits until the storage has it again. */
export async function bringBack(terminal: Terminal, id: string): Promise<void> {
  const { client } = await openApi();
  let backup = await answer(backupsBringBack({ client, path: { id } }));
  for (const deadline = Date.now() + PATIENCE_MS; backup.removedAt !== null; await sleep(POLL_MS)) {
    if (Date.now() > deadline)
      throw new RahatError('unavailable', `The storage has not given ${id} back yet; it is asked again and again.`, {
        hint: '`rahat-backup backup trash` shows why.',
      });
    backup = await answer(backupsGet({ client, path: { id } }));
  }
  terminal.result(backup, `${id} is back, proven as before, and held: \`rahat-backup backup release ${id}\` leaves it to retention again.`);
}
