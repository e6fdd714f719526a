import { RahatError, type CloudAccount, type CloudAccountState, type ManagedRecovery } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';

export interface CloudAccountRow {
  server_id: string;
  organization_id: string;
  account: CloudAccount;
  sealed_secret: string | null;
  asked_at: Date | null;
  answered_at: Date | null;
  recovery: ManagedRecovery | null;
  error: CloudAccountState['error'];
}

export async function lockAccount(transaction: Transaction, server: string): Promise<CloudAccountRow | undefined> {
  const [row] = await transaction.query<CloudAccountRow>(`SELECT * FROM cloud_accounts WHERE server_id = $1 FOR UPDATE`, [server]);
  return row;
}

export async function findAccount(transaction: Transaction, server: string): Promise<CloudAccountRow | undefined> {
  const [row] = await transaction.query<CloudAccountRow>(`SELECT * FROM cloud_accounts WHERE server_id = $1`, [server]);
  return row;
}

/** What was told by way of the former one is told anew. */
export async function putAccount(
  transaction: Transaction,
  {
    server_id,
    organization_id,
    account,
    sealed_secret,
  }: Pick<CloudAccountRow, 'server_id' | 'organization_id' | 'account' | 'sealed_secret'>,
): Promise<CloudAccountRow> {
  const [row] = await transaction.query<CloudAccountRow>(
    `INSERT INTO cloud_accounts (server_id, organization_id, account, sealed_secret) VALUES ($1, $2, $3, $4)
     ON CONFLICT (server_id) DO UPDATE SET account = EXCLUDED.account, sealed_secret = EXCLUDED.sealed_secret, asked_at = NULL,
       answered_at = NULL, recovery = NULL, error = NULL
     RETURNING *`,
    [server_id, organization_id, JSON.stringify(account), sealed_secret],
  );
  return row!;
}

export async function deleteAccount(transaction: Transaction, server: string): Promise<void> {
  await transaction.query(`DELETE FROM cloud_accounts WHERE server_id = $1`, [server]);
}

/**
 * Accounts that were asked longer ago than the pause. Stamped first: another replica, or the next tick, doesn't ask again while this one
 * waits for the answer. A stamp of the future is of a clock that was set back.
 */
export async function claimDueAccounts(transaction: Transaction, now: Date, pauseMs: number, limit: number): Promise<CloudAccountRow[]> {
  return transaction.query<CloudAccountRow>(
    `UPDATE cloud_accounts SET asked_at = $1 WHERE server_id IN (
       SELECT server_id FROM cloud_accounts JOIN servers ON servers.id = server_id
       WHERE deleted_at IS NULL AND (asked_at IS NULL OR asked_at < $1::timestamptz - make_interval(secs => $2) OR asked_at > $1::timestamptz + make_interval(secs => $2))
       ORDER BY asked_at NULLS FIRST LIMIT $3 FOR UPDATE OF cloud_accounts SKIP LOCKED) RETURNING *`,
    [now, pauseMs / 1000, limit],
  );
}

export async function recordAnswer(
  transaction: Transaction,
  server: string,
  recovery: ManagedRecovery,
  now: Date,
): Promise<CloudAccountRow> {
  const [row] = await transaction.query<CloudAccountRow>(
    `UPDATE cloud_accounts SET asked_at = $2, answered_at = $2, recovery = $3, error = NULL WHERE server_id = $1 RETURNING *`,
    [server, now, JSON.stringify(recovery)],
  );
  return row!;
}

export async function recordFailure(transaction: Transaction, server: string, error: CloudAccountState['error'], now: Date): Promise<void> {
  await transaction.query(`UPDATE cloud_accounts SET asked_at = $2, error = $3 WHERE server_id = $1`, [server, now, JSON.stringify(error)]);
}

export function presentAccount(server: string, row: CloudAccountRow | undefined): CloudAccountState {
  return {
    server,
    account: row?.account ?? null,
    answeredAt: row?.answered_at?.toISOString() ?? null,
    error: row?.error ?? null,
    recovery: row?.recovery ?? null,
  };
}

export function neededAccount(row: CloudAccountRow | undefined): CloudAccountRow {
  if (!row)
    throw new RahatError('not_found', 'This server has no cloud account', {
      hint: 'Say which credentials ask its provider: PUT /api/v2/servers/{id}/cloud-account, or rahat-backup server cloud-account.',
    });
  return row;
}
