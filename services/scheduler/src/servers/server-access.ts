import { randomBytes } from 'node:crypto';
import {
  RahatError,
  type BackupUserOfServer,
  type CreateBackupUser,
  type MadeBackupUser,
  type PreflightReport,
  type PreflightRequest,
  type Principal,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase } from '@rahat/persistence';
import { changesBetween, recordAct, whatever, type Expected } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import { lockRow } from '../input/lock-row.js';
import type { ServerSecrets } from './server-secrets.js';
import { findServer, presentServer, serverTarget, type ServerRow } from './servers.table.js';
import type { BackupUserEnds, BackupUserOrder, WorkerQuestions } from './worker-questions.js';

/** 192 bits: nobody has to type it. */
const PASSWORD_BYTES = 24;

/** What the user of a server may do there: looks at it, and makes one that may do what it needs to and no more. */
export class ServerAccess {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly secrets: ServerSecrets,
    private readonly questions: WorkerQuestions,
    private readonly clock: Clock,
  ) {}

  async preflight(principal: Principal, id: string, request: PreflightRequest): Promise<PreflightReport> {
    const server = await this.database.inOrganization(principal, (transaction) => findServer(transaction, id));
    const report = await this.questions.preflight(server.pool, server.engine, this.secrets.connectionOf(server), request);
    const blockers = report.findings.filter(({ severity }) => severity === 'blocker').length;
    // The stored password was opened for it, whatever came of that.
    await this.record(principal, server, 'server.preflighted', { reachable: report.reachable, blockers });
    return report;
  }

  /**
   * The administrator's credentials go to one worker, sealed, and are kept nowhere. What fails leaves the server's credentials as they
   * were, and takes a role that was made away again.
   */
  async makeBackupUser(
    principal: Principal,
    id: string,
    request: CreateBackupUser,
    expected: Expected = whatever,
  ): Promise<BackupUserOfServer> {
    const before = await this.database.inOrganization(principal, (transaction) => findServer(transaction, id));
    expected(presentServer(before, principal));
    if (before.platform) throw new RahatError('conflict', "The platform's own server follows the platform's configuration");
    if (before.address.authentication)
      throw new RahatError('conflict', 'The user of this server logs in by tokens of Amazon, for which it is made by hand', {
        hint: `As an administrator: CREATE ROLE ${quoted(request.user)} LOGIN; GRANT rds_iam TO ${quoted(request.user)}; the preflight says what else it needs.`,
      });
    const stored = this.secrets.connectionOf(before);
    const keepPassword = request.user === stored.user;
    const password = keepPassword ? stored.password : randomBytes(PASSWORD_BYTES).toString('base64url');
    const ends = { admin: { ...stored, ...request.admin }, user: { ...stored, user: request.user, password } };
    const made = await this.made(principal, before, ends, { uses: request.uses, byObject: request.byObject, keepPassword });
    try {
      return { ...made, server: await this.store(principal, before, made, { password, keepPassword }) };
    } catch (error) {
      if (made.created) await this.takeBack(principal, before, ends);
      throw error;
    }
  }

  private async made(
    principal: Principal,
    server: ServerRow,
    ends: BackupUserEnds,
    how: Pick<BackupUserOrder, 'uses' | 'byObject' | 'keepPassword'>,
  ): Promise<MadeBackupUser> {
    const order = { ...how, mark: markOf(server), identity: server.identity };
    try {
      return await this.questions.makeBackupUser(server.pool, server.engine, ends, order);
    } catch (error) {
      const { code } = RahatError.from(error);
      await this.record(principal, server, 'server.backup_user_failed', { user: ends.user.user, admin: ends.admin.user, code });
      throw error;
    }
  }

  /** Whoever edited the server in the meantime meant another one, or another user of it. */
  private async store(
    principal: Principal,
    before: ServerRow,
    made: MadeBackupUser,
    { password, keepPassword }: { password: string; keepPassword: boolean },
  ): Promise<BackupUserOfServer['server']> {
    return this.database.inOrganization(principal, async (transaction) => {
      await lockRow(transaction, 'servers', before.id);
      const current = await findServer(transaction, before.id);
      const same = JSON.stringify(current.address) === JSON.stringify(before.address) && current.sealed_password === before.sealed_password;
      if (!same) throw new RahatError('precondition_failed', 'Somebody changed the address or the password of this server meanwhile.');
      const [row] = await transaction.query<ServerRow>(
        `UPDATE servers SET address = $2, sealed_password = COALESCE($3, sealed_password), password_set_at = CASE WHEN $3::text IS NULL THEN password_set_at ELSE $4 END
         WHERE id = $1 RETURNING *`,
        [
          before.id,
          JSON.stringify({ ...current.address, user: made.user }),
          keepPassword ? null : this.secrets.sealPassword(principal.organization, before.id, password),
          this.clock.now(),
        ],
      );
      const server = presentServer(row!, principal);
      await recordAct(this.outbox, transaction, principal, {
        action: 'server.backup_user_made',
        target: serverTarget(before),
        details: {
          user: made.user,
          created: made.created,
          ...changesBetween(presentServer(current, principal), server, { password: !keepPassword }),
        },
      });
      return server;
    });
  }

  private async takeBack(principal: Principal, server: ServerRow, ends: BackupUserEnds): Promise<void> {
    const details = { user: ends.user.user, admin: ends.admin.user };
    try {
      await this.questions.removeBackupUser(server.pool, server.engine, ends, markOf(server));
      await this.record(principal, server, 'server.backup_user_removed', details);
    } catch (error) {
      // Nobody knows its password, and the next attempt replaces it; but it is there, and the trail says so.
      await this.record(principal, server, 'server.backup_user_left', { ...details, code: RahatError.from(error).code });
    }
  }

  private async record(principal: Principal, server: ServerRow, action: string, details: Record<string, unknown>): Promise<void> {
    await this.database.inOrganization(principal, (transaction) =>
      recordAct(this.outbox, transaction, principal, { action, target: serverTarget(server), details }),
    );
  }
}

/** Says on the database server for whom the role was made. */
function markOf(server: ServerRow): string {
  return `Rahat Backup, ${server.id}`;
}

function quoted(role: string): string {
  return `"${role.replaceAll('"', '""')}"`;
}
