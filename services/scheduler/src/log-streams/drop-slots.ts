import { RahatError } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import type { ServerRow } from '../servers/servers.table.js';
import type { WorkerQuestions } from '../servers/worker-questions.js';
import { recordOwnAct } from '../trail/trail.js';
import type { LogStreamRow } from './log-streams.table.js';

const SLOTS_AT_ONCE = 20;
const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 30 * 60_000;
/** About a week of tries: the server is gone, and its slot with it. */
const MOST_TRIES = 340;

/** A slot that nobody reads keeps log until the disk of the source is full: when a stream stops, its slot goes. */
export class DropSlots {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly questions: WorkerQuestions,
    private readonly secrets: ServerSecrets,
    private readonly clock: Clock,
  ) {}

  async dropDue(): Promise<void> {
    const due = await this.database.asSystem('find slots to drop', (transaction) =>
      transaction.query<LogStreamRow>(
        `SELECT * FROM log_streams WHERE state = 'stopping' AND drop_at <= $1
           AND NOT EXISTS (SELECT 1 FROM runs WHERE type = 'follow' AND stream_id = log_streams.id AND runs.state IN ('due', 'queued', 'running'))
         ORDER BY drop_at LIMIT ${SLOTS_AT_ONCE}`,
        [this.clock.now()],
      ),
    );
    await Promise.all(due.map((stream) => this.drop(stream)));
  }

  private async drop(stream: LogStreamRow): Promise<void> {
    try {
      const server = await this.database.inOrganization(stream.organization_id, async (transaction) => {
        // Of a removed server, too: its database server is still there, most often.
        const [row] = await transaction.query<ServerRow>(`SELECT * FROM servers WHERE id = $1`, [stream.server_id]);
        return row!;
      });
      const { dropped } = await this.questions.dropSlot(server.pool, server.engine, this.secrets.connectionOf(server), stream.slot);
      await this.settle(stream, dropped ? 'log.slot_dropped' : 'log.slot_gone', {});
    } catch (error) {
      await this.tryLater(stream, RahatError.from(error));
    }
  }

  private async settle(stream: LogStreamRow, action: string, details: object): Promise<void> {
    await this.database.asSystem('tell that a slot was dropped', async (transaction) => {
      const [row] = await transaction.query(
        `UPDATE log_streams SET state = 'stopped', drop_at = NULL, drop_error = NULL, stopped_at = $2, log_look_at = $2 WHERE id = $1 AND state = 'stopping' RETURNING 1`,
        [stream.id, this.clock.now()],
      );
      if (row)
        await recordOwnAct(this.outbox, transaction, stream.organization_id, {
          action,
          target: { kind: 'server', id: stream.server_id },
          details: { stream: stream.id, slot: stream.slot, reason: stream.stop_reason, ...details },
        });
    });
  }

  private async tryLater(stream: LogStreamRow, error: RahatError): Promise<void> {
    if (stream.drop_tries >= MOST_TRIES) return this.settle(stream, 'log.slot_left', { error: error.message });
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(20, stream.drop_tries));
    await this.database.asSystem('drop a slot later', (transaction) =>
      transaction.query(
        `UPDATE log_streams SET drop_at = $2, drop_tries = drop_tries + 1, drop_error = $3 WHERE id = $1 AND state = 'stopping'`,
        [stream.id, new Date(this.clock.now().getTime() + pauseMs), JSON.stringify(error.serialize())],
      ),
    );
  }
}
