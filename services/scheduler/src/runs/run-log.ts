import type { CommandPayload } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import { signalLive } from '../live/live-signal.js';
import type { RunRow } from './runs.table.js';

/** What its workers say of a run, and why an attempt was not its last. */
export async function writeRunLog(
  messaging: Messaging,
  transaction: Transaction,
  { id, organization_id: organization }: Pick<RunRow, 'id' | 'organization_id'>,
  attempt: number,
  lines: CommandPayload<'attempt.log.v1'>['lines'],
): Promise<void> {
  await transaction.query(
    `INSERT INTO run_logs (organization_id, run_id, attempt, at, level, message)
     SELECT $1, $2, $3, at, level, message FROM unnest($4::timestamptz[], $5::text[], $6::text[]) WITH ORDINALITY AS line (at, level, message, position) ORDER BY position`,
    [
      organization,
      id,
      attempt,
      lines.map((line) => line.at),
      lines.map((line) => line.level),
      lines.map((line) => line.message.replaceAll('\0', '\uFFFD')),
    ],
  );
  signalLive(messaging, transaction, { organization, run: id, kind: 'logged' });
}
