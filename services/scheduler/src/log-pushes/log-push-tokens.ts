import {
  newId,
  RahatError,
  type CreatedLogPushToken,
  type CreateLogPushToken,
  type LogPushToken,
  type LogPushTokens as Tokens,
  type Principal,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { newKeyedText, parseKeyedText, sameHash } from '@rahat/secrets';
import { recordAct } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import { lockRow } from '../input/lock-row.js';
import { findServer } from '../servers/servers.table.js';
import { presentToken, type LogPushTokenRow } from './log-push-tokens.table.js';
import { pushSettings } from './push-settings.js';

const KIND = 'rhp';
/** One that is used, and one that is about to take its place; each more is one that nobody took away. */
const MOST_OF_A_SERVER = 10;
/** "Last used" is written at most this often. */
const TOUCH_SECONDS = 60;

/** Who pushes: a server, by a token of its own. */
export interface Pusher {
  organization: string;
  server: string;
}

/** Several of a server may be good at a time, so that one is replaced without a moment in which nothing can be pushed. */
export class LogPushTokens {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  async create(principal: Principal, server: string, request: CreateLogPushToken): Promise<CreatedLogPushToken> {
    const id = newId('logPushToken');
    const { text, secretHash } = newKeyedText(KIND, id);
    return this.database.inOrganization(principal, async (transaction) => {
      await lockRow(transaction, 'servers', server);
      const { organization_id } = await findServer(transaction, server);
      if ((await tokensOf(transaction, server)).length >= MOST_OF_A_SERVER)
        throw new RahatError('conflict', `The server has ${MOST_OF_A_SERVER} push tokens already`, {
          hint: 'Revoke those that are not used.',
        });
      const [row] = await transaction.query<LogPushTokenRow>(
        `INSERT INTO log_push_tokens (id, organization_id, server_id, secret_hash, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING *`,
        [id, organization_id, server, secretHash, JSON.stringify({ id: principal.subject, name: principal.name }), this.clock.now()],
      );
      const made = presentToken(row!);
      await this.record(transaction, principal, 'log_push_token.created', made);
      return { ...made, secret: text, settings: pushSettings(request, text) };
    });
  }

  async list(principal: Principal, server: string): Promise<Tokens> {
    return this.database.inOrganization(principal, async (transaction) => {
      await findServer(transaction, server);
      return { data: (await tokensOf(transaction, server)).map(presentToken) };
    });
  }

  async revoke(principal: Principal, server: string, id: string): Promise<void> {
    await this.database.inOrganization(principal, async (transaction) => {
      await findServer(transaction, server);
      const [row] = await transaction.query<LogPushTokenRow>(
        `UPDATE log_push_tokens SET revoked_at = $3 WHERE id = $1 AND server_id = $2 AND revoked_at IS NULL RETURNING *`,
        [id, server, this.clock.now()],
      );
      if (!row) throw new RahatError('not_found', `There is no push token ${id} of this server`);
      await this.record(transaction, principal, 'log_push_token.revoked', presentToken(row));
    });
  }

  /** Rejects with `unauthenticated` whatever is wrong. Takes effect of a revocation at once. */
  async pusherOf(authorization: string | undefined): Promise<Pusher> {
    const shown = parseKeyedText(KIND, /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? '');
    const row = shown && (await this.find(`pushtoken_${shown.id}`));
    if (!row || !sameHash(row.secret_hash, shown.secretHash))
      throw new RahatError('unauthenticated', 'The push token is not valid.', {
        hint: 'Make one with "rahat-backup server log-push add", and put it into the file that archive_command names.',
      });
    return { organization: row.organization_id, server: row.server_id };
  }

  private find(id: string): Promise<LogPushTokenRow | undefined> {
    return this.database.asSystem('find whose push token it is', async (transaction) => {
      const [row] = await transaction.query<LogPushTokenRow>(
        `SELECT log_push_tokens.* FROM log_push_tokens JOIN servers ON servers.id = server_id WHERE log_push_tokens.id = $1 AND revoked_at IS NULL AND deleted_at IS NULL`,
        [id],
      );
      const now = this.clock.now();
      if (row && now.getTime() - (row.last_used_at?.getTime() ?? 0) > TOUCH_SECONDS * 1000)
        await transaction.query(`UPDATE log_push_tokens SET last_used_at = $2 WHERE id = $1`, [id, now]);
      return row;
    });
  }

  private async record(transaction: Transaction, principal: Principal, action: string, token: LogPushToken): Promise<void> {
    await recordAct(this.outbox, transaction, principal, {
      action,
      target: { kind: 'server', id: token.server },
      details: { id: token.id },
    });
  }
}

async function tokensOf(transaction: Transaction, server: string): Promise<LogPushTokenRow[]> {
  return transaction.query<LogPushTokenRow>(`SELECT * FROM log_push_tokens WHERE server_id = $1 AND revoked_at IS NULL ORDER BY id DESC`, [
    server,
  ]);
}
