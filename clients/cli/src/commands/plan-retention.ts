import { plansConfirmRetention, plansRetention, type RetentionPreview } from '@rahat/api-client';
import { answer, openApi } from '../session/api.js';
import { bytes, table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findPlan } from './plans.js';

/** A dry run, day by day; with the hash that it showed, the removal itself. */
export async function planRetention(terminal: Terminal, name: string, { confirm }: { confirm?: string }): Promise<void> {
  const api = await openApi();
  const { id } = await findPlan(api, name);
  const preview = await answer(
    confirm === undefined
      ? plansRetention({ client: api.client, path: { id } })
      : plansConfirmRetention({ client: api.client, path: { id }, body: { hash: confirm } }),
  );
  terminal.result(preview, described(preview));
}

function described({ backups, planBrake, brakes, hash }: RetentionPreview): string {
  const dropped = backups.filter(({ kept }) => !kept);
  const waiting = backups.filter(({ kept, due }) => kept && due);
  return [
    table(
      ['TAKEN', 'DATABASE', '', 'SIZE', 'STORED', 'WHY', 'ID'],
      backups.map((backup) => [
        backup.consistentAt.slice(0, 16).replace('T', ' '),
        backup.databaseName ?? '(whole server)',
        backup.kept ? (backup.due ? 'due' : 'kept') : 'DROP',
        bytes(backup.sizeBytes),
        bytes(backup.addedBytes),
        backup.reason,
        backup.backup,
      ]),
    ),
    `${backups.length - dropped.length} stay; ${dropped.length} would go, ${bytes(dropped.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))} before deduplication.`,
    ...(waiting.length > 0
      ? [`${waiting.length} of those are due: no rule wants them any more, and they go as soon as nothing needs them.`]
      : []),
    ...(planBrake
      ? [`! the edited plan no longer wants ${planBrake.dropped} of its ${planBrake.of} backups; none goes before --confirm ${hash}`]
      : []),
    ...brakes.map(
      (brake) =>
        `! ${brake.databaseName ?? 'the whole server'}: ${brake.dropped} of ${brake.of} at once is unusual; none of them goes before --confirm ${hash}`,
    ),
  ].join('\n');
}
