import { endOfflineSafetyCopy, outlineOfflineSafetyCopy } from '@rahat/execution';
import { untilInterrupted } from '../terminal/interrupt.js';
import { endedInWords, tellOutline } from '../terminal/live-restore.js';
import type { Terminal } from '../terminal/terminal.js';
import { databaseAddress } from './database-address.js';
import { offlineProgress } from './offline-progress.js';

export interface EndInDatabase {
  /** Address of the one that was restored into. */
  database: string;
  action: 'undo' | 'drop';
  force: boolean;
  dryRun: boolean;
  lockWaitSeconds?: number;
}

/** The safety copy is in the database itself: no platform is needed, and no repository. */
export async function endInDatabase(terminal: Terminal, schema: string, { database: url, dryRun, ...what }: EndInDatabase): Promise<void> {
  const { connection, database } = await databaseAddress(url, 'Password of the database’s user');
  const order = { connection, database, schema, ...what };
  const options = { signal: untilInterrupted('Cancelled; nothing was changed.'), onProgress: offlineProgress(terminal) };
  if (dryRun) {
    tellOutline(terminal, await outlineOfflineSafetyCopy(order, options), 'changed');
    return;
  }
  const { merged = [], findings } = await endOfflineSafetyCopy(order, options);
  const ended = { database, schema, action: what.action, merged, findings };
  terminal.result(ended, endedInWords(ended));
}
