import { setTimeout as delay } from 'node:timers/promises';
import { RahatError, type ContentOrder, type Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import { lockForReading, type NamedBackupRow } from '../backups/backups.table.js';
import type { Repositories } from '../runs/repositories.js';
import type { WorkerQuestions } from '../servers/worker-questions.js';
import type { Arrival, Intake } from './intake.js';

/** From the worker's word that it sends to its request here. */
const ARRIVAL_LIMIT_MS = 15_000;

const ACTIONS: Record<ContentOrder['kind'], string> = {
  outline: 'backup.browsed',
  ddl: 'backup.browsed',
  rows: 'backup.rows_read',
  table: 'backup.downloaded',
  globals: 'backup.downloaded',
};

/** What logical backups hold: read by a worker with a key that reads, and passed on as it comes. */
export class ContentsService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly repositories: Repositories,
    private readonly questions: WorkerQuestions,
    private readonly intake: Intake,
  ) {}

  /** The entry in the trail comes first: whatever becomes of it, it was asked for. `gone`: who asked has left. */
  async open(principal: Principal, id: string, order: ContentOrder, gone: AbortSignal): Promise<Arrival> {
    const { backup, pool } = await this.database.inOrganization(principal, async (transaction) => {
      const row = await lockForReading(transaction, id);
      assertLogical(row);
      // Of a deleted one, too: its backups stay.
      const [server] = await transaction.query<{ pool: string }>(`SELECT pool FROM servers WHERE id = $1`, [row.server_id]);
      await recordAct(this.outbox, transaction, principal, {
        action: ACTIONS[order.kind],
        target: { kind: 'backup', id: row.id },
        details: { repository: row.repository_id, what: order },
      });
      return { backup: row, pool: server?.pool ?? 'default' };
    });
    const grant = await this.repositories.grant(backup.organization_id, backup.repository_id, 'read');
    const expected = this.intake.expect();
    const leave = (): void => expected.forget(new RahatError('cancelled', 'Who asked for it has left'));
    gone.addEventListener('abort', leave, { once: true });
    if (gone.aborted) leave();
    try {
      const place = { repository: backup.repository_id, snapshot: backup.snapshot, order };
      const asked = this.questions.contents(pool, place, { repositories: [grant], upload: expected.upload });
      const tooLate = asked.then(async () => {
        await delay(ARRIVAL_LIMIT_MS, undefined, { ref: false });
        throw new RahatError('unavailable', 'The worker could not send what it read', {
          hint: 'Check that workers reach RAHAT_SCHEDULER_INTAKE_URL.',
        });
      });
      tooLate.catch(() => undefined);
      return await Promise.race([expected.arrival, tooLate]);
    } catch (error) {
      expected.forget(RahatError.from(error));
      throw error;
    } finally {
      gone.removeEventListener('abort', leave);
    }
  }
}

function assertLogical({ id, method }: NamedBackupRow): void {
  if (method !== 'postgresql.logical')
    throw new RahatError('conflict', `The backup ${id} holds the files of a whole server, in which no tables can be seen`, {
      hint: 'Look into logical backups, or restore this one to a folder and start a server on it.',
    });
}
